"""The tables that `dvc plots` draws: the same files, with the same columns, in every task."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from darkroom.evaluation import Predictions, decisions, precision_recall_points, roc_points
from darkroom.metrics.measures import count


def plots(folder: Path, predictions: Predictions) -> None:
    """Writes `confusion.csv`, `roc.csv`, `precision_recall.csv` and `classes.csv` into a folder."""
    folder.mkdir(parents=True)
    meant, likely = decisions(predictions)
    false, true, thresholds = roc_points(meant, likely)
    recall, precision = precision_recall_points(meant, likely)
    _write(folder / "confusion.csv", ("actual", "predicted"), _pairs(predictions))
    _write(folder / "roc.csv", ("fpr", "tpr", "threshold"), zip(false, true, thresholds, strict=True))
    _write(folder / "precision_recall.csv", ("recall", "precision"), zip(recall, precision, strict=True))
    counts = count(predictions.truth, predictions.predicted, len(predictions.classes))
    rows = zip(predictions.classes, counts.f1, counts.precision, counts.recall, counts.support.astype(int), strict=True)
    _write(folder / "classes.csv", ("class", "f1", "precision", "recall", "support"), rows)


def _pairs(predictions: Predictions) -> Iterable[Sequence[str]]:
    """Truth and answer of each image, or for multi-label of each decision about a label."""
    if predictions.task != "multilabel":
        return zip(predictions.names(predictions.truth), predictions.names(predictions.predicted), strict=True)
    words = ("absent", "present")
    pairs = zip(predictions.truth.ravel(), predictions.predicted.ravel(), strict=True)
    return [(words[actual], words[predicted]) for actual, predicted in pairs]


def _write(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
