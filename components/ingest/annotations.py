"""What the readers of annotation programs' exports hand on: a table with a row an image, and sentences about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from components.ingest.listing import first_few
from darkroom.system.errors import InputError

PATH = "file_name"  # of the column that names the images
_SCALARS: tuple[tuple[tuple[type, ...], pa.DataType], ...] = (
    ((bool,), pa.bool_()),
    ((int,), pa.int64()),
    ((int, float), pa.float64()),
    ((str,), pa.string()),
)


class UnansweredError(InputError):
    """An export that is known as one, but holds no label that is read."""


class Annotations(NamedTuple):
    """An export as a table of labels.

    Attributes:
        values: A row an image; the columns of labels are lists.
        notes: Sentences that say how it was read.
    """

    values: pa.Table
    notes: tuple[str, ...]


@dataclass
class Image:
    """An image of an export.

    Attributes:
        path: What the export calls it.
        labels: Its labels by the column that they go to, in any order, also repeated.
        facts: What else the export says of it, by column.
    """

    path: str
    labels: dict[str, list[str]]
    facts: dict[str, Any] = field(default_factory=dict)


def make_annotations(images: Sequence[Image], notes: Iterable[str] = ()) -> Annotations:
    """The table of an export; of what it says beside labels, numbers, texts, and yes and no are kept.

    Args:
        images: All images that the export has an answer for.
        notes: Sentences that say how they were read.
    """
    names = dict.fromkeys(name for image in images for name in image.labels)
    columns: dict[str, pa.Array] = {PATH: pa.array([image.path for image in images], pa.string())}
    for name in names:
        labels = [list(dict.fromkeys(image.labels.get(name, ()))) for image in images]
        columns[name] = pa.array(labels, pa.list_(pa.string()))
    left_out = []
    for name in dict.fromkeys(name for image in images for name in image.facts):
        values = [image.facts.get(name) for image in images]
        kinds = {type(value) for value in values if value is not None}
        kind = next((kind for allowed, kind in _SCALARS if kinds and kinds <= set(allowed)), None)
        if name in columns or kind is None:
            left_out.append(name)
        else:
            columns[name] = pa.array(values, kind)
    lost = (f"{len(left_out)} further value(s) of its images are not read: {first_few(left_out)}",) if left_out else ()
    return Annotations(pa.table(columns), (*notes, *lost))


def unanswered(images: Sequence[Image], column: str, name: str, what: str) -> list[str]:
    """A sentence about the images that have no label, where there are some.

    Args:
        images: All images of an export.
        column: The column of labels.
        name: The export's name.
        what: What these images lack, such as `annotation`.
    """
    num_without = sum(not image.labels[column] for image in images)
    several = any(len(set(image.labels[column])) > 1 for image in images)
    left_out = "they are left out, unless ingest.task is multilabel: then they have none of the labels"
    means = "they have none of the labels" if several else left_out
    return [f"{num_without:,} image(s) of {name} have no {what}: {means}"] if num_without else []
