"""Areas under the ROC curve and the precision-recall curve, on many resampled test sets at once."""

import numpy as np

from darkroom.evaluation import Predictions
from darkroom.metrics.measures import Floats, one_hot


def ranking(predictions: Predictions, weights: Floats, measure: str) -> Floats:
    """`roc_auc` or `average_precision` as `darkroom.metrics.measures.measures` has it, on each of many test sets.

    Args:
        predictions: N answers.
        weights: `(S, N)` how often each image is in each test set.
        measure: Which of the two.

    Returns:
        `(S,)`; NaN where no class occurs both ways.
    """
    y_true, y_score = one_hot(predictions.y_true, len(predictions.classes)), predictions.y_score.astype(np.float64)
    columns = [1] if predictions.task == "binary" else range(len(predictions.classes))
    area = roc_auc if measure == "roc_auc" else average_precision
    values = np.stack([area(y_true[:, index], y_score[:, index], weights) for index in columns])
    known = np.isfinite(values)
    total, number = np.where(known, values, 0).sum(0), known.sum(0)
    return _ratio(total, number)


def roc_auc(y_true: Floats, y_score: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve of each test set, `(S,)`; NaN where only one class occurs.

    Args:
        y_true: `(N,)` of 0 and 1.
        y_score: `(N,)` probabilities.
        weights: `(S, N)` how often each image is in each test set.
    """
    positives, negatives = _counts_above_thresholds(y_true, y_score, weights)
    steps = np.diff(positives, axis=1, prepend=0)
    above = (np.diff(negatives, axis=1, prepend=0) * (positives - steps / 2)).sum(1)  # ties count half
    return _ratio(above, positives[:, -1] * negatives[:, -1])


def average_precision(y_true: Floats, y_score: Floats, weights: Floats) -> Floats:
    """Precision at each rise of the recall, averaged by the rise, `(S,)`; arguments as in `roc_auc`."""
    positives, negatives = _counts_above_thresholds(y_true, y_score, weights)
    precision = _ratio(positives, positives + negatives, 0.0)
    total = (np.diff(positives, axis=1, prepend=0) * precision).sum(1)
    return np.where(negatives[:, -1] > 0, _ratio(total, positives[:, -1]), np.nan)


def _counts_above_thresholds(y_true: Floats, y_score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Positives and negatives above each threshold, from the highest on, `(S, T)`."""
    order = np.argsort(-y_score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(y_score[order])), len(order) - 1)
    positives = np.cumsum(weights[:, order] * y_true[order], axis=1)[:, ends]
    negatives = np.cumsum(weights[:, order] * (1 - y_true[order]), axis=1)[:, ends]
    return positives, negatives


def _ratio(part: Floats, whole: Floats, empty: float = np.nan) -> Floats:
    result: Floats = np.divide(part, whole, out=np.full(whole.shape, empty), where=whole > 0)
    return result
