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
    y_true, y_score = decisions(predictions)
    false, true, thresholds = roc_points(y_true, y_score)
    recall, precision = precision_recall_points(y_true, y_score)
    _write(folder / "confusion.csv", ("actual", "predicted"), _pairs(predictions))
    _write(folder / "roc.csv", ("fpr", "tpr", "threshold"), zip(false, true, thresholds, strict=True))
    _write(folder / "precision_recall.csv", ("recall", "precision"), zip(recall, precision, strict=True))
    counts = count(predictions.y_true, predictions.y_pred, len(predictions.classes))
    rows = zip(predictions.classes, counts.f1, counts.precision, counts.recall, counts.support.astype(int), strict=True)
    _write(folder / "classes.csv", ("class", "f1", "precision", "recall", "support"), rows)


def _pairs(predictions: Predictions) -> Iterable[Sequence[str]]:
    """Truth and answer of each image, or for multi-label of each decision about a label."""
    if predictions.task != "multilabel":
        return zip(predictions.names(predictions.y_true), predictions.names(predictions.y_pred), strict=True)
    words = ("absent", "present")
    pairs = zip(predictions.y_true.ravel(), predictions.y_pred.ravel(), strict=True)
    return [(words[actual], words[predicted]) for actual, predicted in pairs]


def _write(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
