"""The evaluation: a folder that says how good a model is, with the evidence.

`metrics.json` (headline measures as flat numbers; `classes`, `intervals`, `calibration` and `leaks` nested), `predictions.parquet`
(a row an image), `figures/*.png`, `mistakes/` (the worst ones as small pictures, listed in `mistakes.json`), `leaks/` (the same of images
and their neighbours in training), `notes.json` and
`plots/*.csv` for DVC. Only this module reads and writes the predictions; class order and task are in their schema metadata.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from darkroom.manifest import PROBABILITY, is_reserved
from darkroom.metrics.measures import Floats, Ints, measures, one_hot
from darkroom.notes import Note, from_plain, plain
from darkroom.system.files import read_json, whole, write_json
from darkroom.system.formats import Format
from darkroom.task import Task
from darkroom.units import renumbered

METRICS = "metrics.json"
PREDICTIONS = "predictions.parquet"
FIGURES = "figures"
PLOTS = "plots"
MISTAKES = "mistakes"
LEAKS, LEAKED = "leaks", "leaks.json"  # a folder, and its list
NOTES = "notes.json"
MAX_POINTS = 200  # of a curve: a page that shows it needs no more

_FORMAT = Format("evaluation")  # in `metrics.json` and in the metadata of the predictions
_KEY = b"darkroom"


@dataclass(frozen=True)
class Predictions:
    """What a model predicted, a row an image.

    Attributes:
        image_ids: N names of images.
        paths: N paths as delivered.
        classes: K names, in the order of the columns of `y_score`.
        task: `binary`, `multiclass` or `multilabel`.
        y_true: `(N,) int64` class indices, or `(N, K)` of 0 and 1 for multi-label.
        y_pred: As `y_true`, after the model's thresholds.
        y_score: `(N, K) float32`, probabilities.
        units: `(N,)` numbers from 0 without a gap: images of one number, such as those of a patient, are one independent observation.
        user_columns: N rows of the user's own columns, see `darkroom.manifest`; none where the data came without.
    """

    image_ids: tuple[str, ...]
    paths: tuple[str, ...]
    classes: tuple[str, ...]
    task: Task
    y_true: Ints
    y_pred: Ints
    y_score: npt.NDArray[np.float32]
    units: Ints
    user_columns: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.image_ids)

    def at(self, image_ids: Sequence[str]) -> "Predictions":
        """The rows of these images, in this order: two models are compared on the images that both have seen."""
        index = {name: row for row, name in enumerate(self.image_ids)}
        rows = [index[name] for name in image_ids]
        return Predictions(
            tuple(image_ids), tuple(self.paths[row] for row in rows), self.classes, self.task,
            self.y_true[rows], self.y_pred[rows], self.y_score[rows], renumbered(self.units[rows]),
            None if self.user_columns is None else self.user_columns.take(pa.array(rows, pa.int64())),
        )  # fmt: skip

    def measures(self) -> dict[str, float]:
        """The headline measures on these rows, see `darkroom.metrics.measures.measures`."""
        return measures(self.y_true, self.y_score, self.y_pred, self.classes, self.task)

    def names(self, values: Ints) -> list[Any]:
        """True or predicted classes by name: a name, or for multi-label a list of names, for each row."""
        if self.task == "multilabel":
            return [[self.classes[index] for index in np.flatnonzero(row)] for row in values]
        return [self.classes[index] for index in values]


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes `predictions.parquet`; equal predictions make equal bytes."""
    kind = pa.list_(pa.string()) if predictions.task == "multilabel" else pa.string()
    columns = {
        "image_id": pa.array(predictions.image_ids, pa.string()),
        "path": pa.array(predictions.paths, pa.string()),
        "split": pa.array(["test"] * len(predictions), pa.string()),
        "unit": pa.array(predictions.units, pa.int64()),
        "truth": pa.array(predictions.names(predictions.y_true), kind),
        "predicted": pa.array(predictions.names(predictions.y_pred), kind),
    }
    for index, name in enumerate(predictions.classes):
        columns[PROBABILITY + name] = pa.array(predictions.y_score[:, index], pa.float32())
    if predictions.user_columns is not None:
        columns |= zip(predictions.user_columns.column_names, predictions.user_columns.columns, strict=True)
    meaning = json.dumps(_FORMAT.stamp({"classes": predictions.classes, "task": predictions.task}), ensure_ascii=False)
    with whole(path) as draft:
        pq.write_table(pa.table(columns).replace_schema_metadata({_KEY: meaning.encode()}), draft, compression="zstd")


def read_predictions(folder: Path) -> Predictions:
    """Reads the predictions of an evaluation.

    Raises:
        InputError: A later version of Darkroom wrote them.
    """
    table = pq.read_table(folder / PREDICTIONS)
    meaning = _FORMAT.upgrade(json.loads(table.schema.metadata[_KEY]), folder / PREDICTIONS)
    classes = tuple(meaning["classes"])
    return Predictions(
        image_ids=tuple(table["image_id"].to_pylist()),
        paths=tuple(table["path"].to_pylist()),
        classes=classes,
        task=meaning["task"],
        y_true=_indices(table["truth"].to_pylist(), classes, meaning["task"]),
        y_pred=_indices(table["predicted"].to_pylist(), classes, meaning["task"]),
        y_score=np.stack([table[PROBABILITY + name].to_numpy() for name in classes], axis=1),
        units=table["unit"].to_numpy() if "unit" in table.column_names else np.arange(len(table)),  # older ones lack it
        user_columns=table.select([name for name in table.column_names if not is_reserved(name)]).replace_schema_metadata(None),
    )


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Writes `metrics.json`: headline measures as flat finite numbers, all else as dictionaries."""
    write_json(folder / METRICS, _FORMAT.stamp(metrics))


def read_metrics(folder: Path) -> dict[str, Any]:
    """Everything in `metrics.json`: headline measures, then `classes`, `intervals` and `calibration`.

    Raises:
        InputError: A later version of Darkroom wrote them.
    """
    return _FORMAT.upgrade(read_json(folder / METRICS), folder / METRICS)


def write_notes(folder: Path, notes: Sequence[Note]) -> None:
    """Writes what the step has to say."""
    write_json(folder / NOTES, plain(notes))


def read_notes(folder: Path) -> tuple[Note, ...]:
    """What the step had to say; nothing where an earlier version of Darkroom wrote the folder."""
    return from_plain(read_json(folder / NOTES)) if (folder / NOTES).exists() else ()


def read_headline(folder: Path) -> dict[str, float]:
    """The headline measures of an evaluation alone, flat finite numbers."""
    return {name: value for name, value in read_metrics(folder).items() if not isinstance(value, dict)}


def read_mistakes(folder: Path) -> list[dict[str, Any]]:
    """The worst mistakes, worst first: `file` (in `mistakes/`), `path`, `image_id`, `truth`, `predicted`, `probability`."""
    return cast(list[dict[str, Any]], read_json(folder / MISTAKES / "mistakes.json"))


def read_leak_pairs(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What leaks from training into the images: figures, see `darkroom.leaks.Leaks`, with the measures `without` those images; and the
    surest pairs, with their pictures' names in `leaks/`, `file` and `other_file`. Empty where that was not tested."""
    figures, pairs = read_metrics(folder).get(LEAKS) or {}, folder / LEAKS / LEAKED
    return figures, cast(list[dict[str, Any]], read_json(pairs)) if pairs.exists() else []


def confusion(folder: Path) -> tuple[list[str], list[list[int]]]:
    """Class names, and how often each true class (row) was predicted as each (column).

    For multi-label every decision about a label counts, as `absent` or `present`.
    """
    from sklearn.metrics import confusion_matrix  # takes a second, which a reader of measures should not wait for

    predictions = read_predictions(folder)
    if predictions.task == "multilabel":
        matrix = confusion_matrix(predictions.y_true.ravel(), predictions.y_pred.ravel(), labels=[0, 1])
        return ["absent", "present"], matrix.tolist()
    labels = range(len(predictions.classes))
    return list(predictions.classes), confusion_matrix(predictions.y_true, predictions.y_pred, labels=labels).tolist()


def roc_curve(folder: Path) -> tuple[list[float], list[float], list[float]]:
    """False positive rates, true positive rates and thresholds of an evaluation, see `roc_points`.

    Of the positive class for binary, else of all classes against the rest together (micro-average).
    """
    rates = roc_points(*decisions(read_predictions(folder)))
    return rates[0].tolist(), rates[1].tolist(), rates[2].tolist()


def decisions(predictions: Predictions) -> tuple[Floats, Floats]:
    """True value (0 or 1) and probability of each binary decision of the task.

    Returns:
        Two arrays `(N,)` for binary (the positive class), `(N * K,)` otherwise (each class against the rest).
    """
    y_true = one_hot(predictions.y_true, len(predictions.classes))
    y_score = predictions.y_score.astype(np.float64)
    if predictions.task == "binary":
        return y_true[:, 1], y_score[:, 1]
    return y_true.ravel(), y_score.ravel()


def roc_points(y_true: Floats, y_score: Floats) -> tuple[Floats, Floats, Floats]:
    """A ROC curve of at most `MAX_POINTS` points.

    Args:
        y_true: `(N,)` of 0 and 1.
        y_score: `(N,)` probabilities.

    Returns:
        False positive rates, true positive rates (both rising from 0 to 1) and thresholds (falling, finite; the first,
        which no probability reaches, is written as 1); all empty where `y_true` holds one value only.
    """
    if not 0 < y_true.sum() < len(y_true):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    from sklearn.metrics import roc_curve

    false, true, thresholds = roc_curve(y_true, y_score)
    keep = _spread(false + true)
    return false[keep], true[keep], np.where(np.isfinite(thresholds), thresholds, 1.0)[keep]


def precision_recall_points(y_true: Floats, y_score: Floats) -> tuple[Floats, Floats]:
    """Recalls (rising from 0 to 1) and precisions of at most `MAX_POINTS` points; arguments as in `roc_points`."""
    if not 0 < y_true.sum() < len(y_true):
        return np.zeros(0), np.zeros(0)
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(y_true, y_score, drop_intermediate=True)
    recall, precision = recall[::-1], precision[::-1]
    keep = _spread(recall)
    return recall[keep], precision[keep]


def _spread(position: Floats) -> Ints:
    """Indices of at most `MAX_POINTS` points, the ends among them, about evenly along a rising position."""
    if len(position) <= MAX_POINTS:
        return np.arange(len(position))
    inner = np.searchsorted(position, np.linspace(position[0], position[-1], MAX_POINTS)[1:-1])
    return np.unique(np.concatenate([[0], inner, [len(position) - 1]]))


def _indices(names: list[Any], classes: tuple[str, ...], task: Task) -> Ints:
    index = {name: number for number, name in enumerate(classes)}
    if task != "multilabel":
        return np.array([index[name] for name in names], dtype=np.int64)
    values = np.zeros((len(names), len(classes)), dtype=np.int64)
    for row, labels in enumerate(names):
        values[row, [index[label] for label in labels]] = 1
    return values
