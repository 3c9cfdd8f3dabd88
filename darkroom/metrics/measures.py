"""The measures of a classifier: counts of hits, and how well its probabilities rank the images.

Used by `evaluate` on the test images and by `train` and `prune` on the validation images, so that all mean the same by
a measure's name. A class that neither occurs nor is predicted has no part in any mean; a measure that is not defined
(the area under a ROC curve where only one class occurs) is left out: none is ever NaN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from darkroom.task import Task

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """How often each class occurs, is predicted and is hit; leading axes are independent samples.

    Attributes:
        hits: `(..., K)` images of the class that are predicted as it (true positives).
        predicted: `(..., K)` images that are predicted as the class.
        support: `(..., K)` images of the class.
        num_images: `(..., 1)` images in all.
    """

    hits: Floats
    predicted: Floats
    support: Floats
    num_images: Floats

    @property
    def precision(self) -> Floats:
        """`(..., K)` share of the answers that are right, 0 where there is no answer."""
        return _ratio(self.hits, self.predicted)

    @property
    def recall(self) -> Floats:
        """`(..., K)` share of the class that was found, 0 where there is none."""
        return _ratio(self.hits, self.support)

    @property
    def f1(self) -> Floats:
        """`(..., K)` harmonic mean of precision and recall."""
        return _ratio(2 * self.hits, self.predicted + self.support)

    @property
    def specificity(self) -> Floats:
        """`(..., K)` share of the other images that are not predicted as the class, 0 where there are none."""
        others = self.num_images - self.support
        return _ratio(others - (self.predicted - self.hits), others)


def one_hot(values: npt.NDArray[Any], num_classes: int) -> Floats:
    """Class indices `(N,)`, or 0 and 1 `(N, K)`, as `(N, K) float64` of 0 and 1."""
    if values.ndim == 2:
        return values.astype(np.float64)
    equal: npt.NDArray[np.bool_] = values[:, None] == np.arange(num_classes)
    return equal.astype(np.float64)


def count(y_true: Ints, y_pred: Ints, num_classes: int, weights: Floats | None = None) -> Counts:
    """Counts hits.

    Args:
        y_true: `(N,)` class indices, or `(N, K)` of 0 and 1 for multi-label.
        y_pred: As `y_true`.
        num_classes: K.
        weights: `(S, N)` how often each image is in each of S samples, or none for one sample of every image once.
    """
    hot_true, hot_pred = one_hot(y_true, num_classes), one_hot(y_pred, num_classes)
    if weights is None:
        weights = np.ones((1, len(hot_true)))
        return Counts(*(values[0] for values in _weighted(weights, hot_true, hot_pred)))
    return Counts(*_weighted(weights, hot_true, hot_pred))


def _weighted(weights: Floats, hot_true: Floats, hot_pred: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    hits: Floats = weights @ (hot_true * hot_pred)
    return hits, weights @ hot_pred, weights @ hot_true, weights.sum(1, keepdims=True)


def scores(counts: Counts, task: Task) -> dict[str, Floats]:
    """The measures that follow from the counts alone.

    Returns:
        Values of shape `(...)` by name; `balanced_accuracy` is NaN where no label occurs both ways.
    """
    present = counts.predicted + counts.support > 0
    total = counts.num_images[..., 0]
    hits, answers, support = (values.sum(-1) for values in (counts.hits, counts.predicted, counts.support))
    if task == "multilabel":
        both = (counts.support > 0) & (counts.support < counts.num_images)
        balanced = _mean((counts.recall + counts.specificity) / 2, both, np.nan)
        accuracy = 1 - _ratio(answers + support - 2 * hits, total * counts.hits.shape[-1])
    else:
        balanced = _mean(counts.recall, counts.support > 0, np.nan)
        accuracy = _ratio(hits, total)
    values = {"accuracy": accuracy, "balanced_accuracy": balanced}
    for name, single, micro in (
        ("precision", counts.precision, _ratio(hits, answers)),
        ("recall", counts.recall, _ratio(hits, support)),
        ("f1", counts.f1, _ratio(2 * hits, answers + support)),
    ):
        values[f"{name}_macro"] = _mean(single, present, 0.0)
        values[f"{name}_micro"] = micro
        values[f"{name}_weighted"] = _ratio((single * counts.support).sum(-1), support)
    return values


def measures(y_true: Ints, y_score: npt.NDArray[np.floating[Any]], y_pred: Ints, classes: tuple[str, ...], task: Task) -> dict[str, float]:
    """Computes every measure that fits the task.

    Args:
        y_true: `(N,)` class indices, or `(N, K)` of 0 and 1 for multi-label.
        y_score: `(N, K)` in 0 to 1; they sum to 1 over the classes unless the task is multi-label.
        y_pred: As `y_true`: what the model answers after its thresholds.
        classes: K names; the second is the positive class of a binary task.
        task: `binary`, `multiclass` or `multilabel`.

    Returns:
        Finite floats: `accuracy` (of label decisions for multi-label), `balanced_accuracy`, `precision_macro`, `f1_micro`
        ... `f1_weighted`, `log_loss`, `roc_auc` and `average_precision` (of the positive class for binary, else the mean
        over the classes that occur both ways); `precision`, `recall`, `f1`, `specificity` and the four counts for
        binary; `hamming_loss` and `subset_accuracy` for multi-label. Empty where there is no image.
    """
    if not len(y_true):
        return {}
    counts = count(y_true, y_pred, len(classes))
    values = {name: float(value) for name, value in scores(counts, task).items()}
    values |= _ranking(one_hot(y_true, len(classes)), np.asarray(y_score, np.float64), task)
    if task == "binary":
        values |= {name: float(getattr(counts, name)[1]) for name in ("precision", "recall", "f1", "specificity")}
        values |= _four_counts(counts, 1)
    if task == "multilabel":
        values["hamming_loss"] = float(np.mean(y_true != y_pred))
        values["subset_accuracy"] = float(np.mean((y_true == y_pred).all(1)))
    return {name: value for name, value in values.items() if np.isfinite(value)}


def class_measures(
    y_true: Ints, y_score: npt.NDArray[np.floating[Any]], y_pred: Ints, classes: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Measures each class against all others; arguments as in `measures`.

    Returns:
        For each class `support`, `precision`, `recall`, `f1`, the four counts, and `roc_auc` and `average_precision`
        where the class occurs both ways.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # takes a second

    counts, hot_true = count(y_true, y_pred, len(classes)), one_hot(y_true, len(classes))
    ranked = np.asarray(y_score, np.float64)
    table = {}
    for index, name in enumerate(classes):
        row = {measure: float(getattr(counts, measure)[index]) for measure in ("support", "precision", "recall", "f1")}
        row |= _four_counts(counts, index)
        if 0 < hot_true[:, index].sum() < len(hot_true):
            row["roc_auc"] = float(roc_auc_score(hot_true[:, index], ranked[:, index]))
            row["average_precision"] = float(average_precision_score(hot_true[:, index], ranked[:, index]))
        table[name] = row
    return table


def _four_counts(counts: Counts, index: int) -> dict[str, float]:
    hits, answers = float(counts.hits[index]), float(counts.predicted[index])
    support, total = float(counts.support[index]), float(counts.num_images[0])
    return {
        "true_positives": hits,
        "false_positives": answers - hits,
        "false_negatives": support - hits,
        "true_negatives": total - support - answers + hits,
    }


def _ranking(hot_true: Floats, y_score: Floats, task: Task) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    clipped = np.clip(y_score, 1e-7, 1.0)
    if task == "multilabel":
        unlikely = np.clip(1 - y_score, 1e-7, 1.0)
        values = {"log_loss": float(-np.mean(hot_true * np.log(clipped) + (1 - hot_true) * np.log(unlikely)))}
    else:
        values = {"log_loss": float(-np.mean((hot_true * np.log(clipped)).sum(1)))}
    both = np.flatnonzero((hot_true.sum(0) > 0) & (hot_true.sum(0) < len(hot_true)))
    columns = [index for index in both if index == 1] if task == "binary" else list(both)
    if columns:
        pairs = [(hot_true[:, index], y_score[:, index]) for index in columns]
        values["roc_auc"] = float(np.mean([roc_auc_score(*pair) for pair in pairs]))
        values["average_precision"] = float(np.mean([average_precision_score(*pair) for pair in pairs]))
    return values


def _ratio(part: Floats, whole: Floats) -> Floats:
    result: Floats = np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=np.asarray(whole) > 0)
    return result


def _mean(values: Floats, where: npt.NDArray[np.bool_], empty: float) -> Floats:
    number = where.sum(-1)
    total = np.where(where, values, 0.0).sum(-1)
    result: Floats = np.divide(total, number, out=np.full(number.shape, empty), where=number > 0)
    return result
