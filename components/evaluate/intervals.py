"""How far a measure would move with other test images: intervals that hold the truth 95 times in 100."""

from collections.abc import Iterator

import numpy as np

from components.evaluation import Predictions
from components.measures import Floats, count, scores

CONFIDENCE = 0.95
MEASURES = ("accuracy", "balanced_accuracy", "f1_macro", "f1_micro")
_Z = 1.959963984540054  # the normal distribution holds 95 % within so many standard deviations
_CHUNK = 4_000_000  # numbers held at once


def intervals(predictions: Predictions, num_resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """Limits of the headline measures.

    Shares of independent images (`accuracy` of single-label tasks, `subset_accuracy`) get Wilson's interval, which
    stays honest where no image was wrong; all others the percentiles of resampled test sets.

    Args:
        predictions: Answers on the test images.
        num_resamples: Test sets drawn with replacement.
        seed: Decides which.

    Returns:
        `low` and `high` for each measure.

    Source:
        Wilson 1927, Probable inference; Efron and Tibshirani 1993, An introduction to the bootstrap, section 13.3.
    """
    values = _bootstrap(predictions, num_resamples, seed)
    right = predictions.truth == predictions.predicted
    if predictions.task == "multilabel":
        values["subset_accuracy"] = wilson(int(right.all(1).sum()), len(right))
    else:
        values["accuracy"] = values["f1_micro"] = wilson(int(right.sum()), len(right))
    return {name: {"low": low, "high": high} for name, (low, high) in sorted(values.items())}


def wilson(num_right: int, num_images: int) -> tuple[float, float]:
    """Limits of a share of which `num_right` out of `num_images` were seen."""
    share = num_right / num_images
    centre = share + _Z**2 / (2 * num_images)
    spread = _Z * np.sqrt(share * (1 - share) / num_images + _Z**2 / (4 * num_images**2))
    low, high = (centre - spread) / (1 + _Z**2 / num_images), (centre + spread) / (1 + _Z**2 / num_images)
    return max(0.0, min(float(low), share)), min(1.0, max(float(high), share))


def _bootstrap(predictions: Predictions, num_resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    drawn: dict[str, list[Floats]] = {name: [] for name in MEASURES}
    for weights in resamples(len(predictions), num_resamples, seed):
        counts = count(predictions.truth, predictions.predicted, len(predictions.classes), weights)
        values = scores(counts, predictions.task)
        for name in MEASURES:
            drawn[name].append(values[name])
    limits = {}
    for name, parts in drawn.items():
        defined = np.concatenate(parts)
        defined = defined[np.isfinite(defined)]
        if len(defined):
            low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
            limits[name] = (float(low), float(high))
    return limits


def resamples(num_images: int, num_resamples: int, seed: int) -> Iterator[Floats]:
    """Test sets drawn with replacement: how often each image stands in each, `(S, N) float64`, some S at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // num_images)
    for start in range(0, num_resamples, step):
        number = min(step, num_resamples - start)
        rows = rng.integers(num_images, size=(number, num_images)) + np.arange(number)[:, None] * num_images
        yield np.bincount(rows.ravel(), minlength=number * num_images).reshape(number, num_images).astype(np.float64)
