"""A frozen evaluation set (`evaluate.data`) beside what is trained on: it must speak of the same classes."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from darkroom.manifest import COLUMNS, Manifest
from darkroom.system.errors import InputError
from darkroom.task import Task


def fitted(rows: Manifest, classes: Sequence[str], task: Task, place: str = "") -> Manifest:
    """The rows of a set with the classes and the task that a model is trained for; of one label each, lists are made for multi-label.

    Args:
        rows: What `clean` kept of the set.
        classes: Of the model, in its order.
        task: Of the model.
        place: What `evaluate.data` names, where that is known.

    Raises:
        InputError: Images have several labels where the model gives one, or labels that it does not know.
    """
    where = f"evaluate.data is {place}" if place else "evaluate.data names a set"
    if rows.task == "multilabel" != task:
        raise InputError(
            f"{where}, where images have several labels or none, but the training data is {task}: set how it is read, as in "
            f"evaluate.ingest={{task: {task}}}"
        )
    unknown = sorted({name for row in rows.label_lists() for name in row} - set(classes))
    if unknown:
        raise InputError(
            f"{where}, where images are labelled {', '.join(map(repr, unknown[:5]))}: the model only knows "
            f"{', '.join(map(repr, classes[:20]))}; use the same names, or leave those images out"
        )
    if task == "multilabel" != rows.task:
        labels = pa.array(rows.label_lists(), COLUMNS["labels"])
        rows = replace(rows, table=rows.table.set_column(rows.table.column_names.index("label"), "labels", labels))
    return replace(rows, classes=tuple(classes), task=task)
