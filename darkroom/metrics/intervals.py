"""How far a measure would move with other test images: intervals that hold the truth 95 times in 100."""

from collections.abc import Iterator

import numpy as np

from darkroom.evaluation import Predictions
from darkroom.metrics.measures import Floats, Ints, count, scores

CONFIDENCE = 0.95
MEASURES = ("accuracy", "balanced_accuracy", "f1_macro", "f1_micro")
_Z = 1.959963984540054  # the normal distribution holds 95 % within so many standard deviations
_CHUNK = 4_000_000  # numbers held at once


def intervals(predictions: Predictions, num_resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """Limits of the headline measures.

    Shares of independent images (`accuracy` of single-label tasks, `subset_accuracy`) get Wilson's interval, which
    stays honest where no image was wrong; all others the percentiles of resampled test sets. Images of one unit, such as a
    patient's, come and go together; a single unit can't tell how far another would be off.

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
    right = right.all(1) if right.ndim == 2 else right
    num_units, certain = int(predictions.units.max()) + 1, right.all() or not right.any()  # then each resample says the same
    if num_units == 1:
        values = dict.fromkeys(values, (0.0, 1.0))
    elif num_units == len(right) or certain:
        limits = wilson(num_units * int(right.all()) if certain else int(right.sum()), num_units)
        values |= dict.fromkeys(["subset_accuracy"] if predictions.task == "multilabel" else ["accuracy", "f1_micro"], limits)
    return {name: {"low": low, "high": high} for name, (low, high) in sorted(values.items())}


def wilson(num_right: int, num_images: int) -> tuple[float, float]:
    """Limits of a share of which `num_right` out of `num_images` were seen."""
    share = num_right / num_images
    centre = share + _Z**2 / (2 * num_images)
    spread = _Z * np.sqrt(share * (1 - share) / num_images + _Z**2 / (4 * num_images**2))
    low, high = (centre - spread) / (1 + _Z**2 / num_images), (centre + spread) / (1 + _Z**2 / num_images)
    return max(0.0, min(float(low), share)), min(1.0, max(float(high), share))


def _bootstrap(predictions: Predictions, num_resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    names = [*MEASURES, *(["subset_accuracy"] if predictions.task == "multilabel" else [])]
    exact = (predictions.truth == predictions.predicted).reshape(len(predictions), -1).all(1)
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    for weights in resamples(predictions.units, num_resamples, seed):
        counts = count(predictions.truth, predictions.predicted, len(predictions.classes), weights)
        values = scores(counts, predictions.task) | {"subset_accuracy": weights @ exact / weights.sum(1)}
        for name in names:
            drawn[name].append(values[name])
    found = {name: values[np.isfinite(values)] for name, values in ((name, np.concatenate(parts)) for name, parts in drawn.items())}
    return {name: _limits(values) for name, values in found.items() if len(values)}


def _limits(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def resamples(units: Ints, num_resamples: int, seed: int) -> Iterator[Floats]:
    """Test sets drawn with replacement, whole units at a time.

    Args:
        units: `(N,)` numbers from 0 without a gap: images of one number come and go together.
        num_resamples: Test sets.
        seed: Decides which.

    Yields:
        `(S, N) float64`: how often each image stands in each of some of the test sets.
    """
    rng = np.random.default_rng(seed)
    num_units = int(units.max()) + 1
    step = max(1, _CHUNK // len(units))
    for start in range(0, num_resamples, step):
        number = min(step, num_resamples - start)
        drawn = rng.integers(num_units, size=(number, num_units)) + np.arange(number)[:, None] * num_units
        times = np.bincount(drawn.ravel(), minlength=number * num_units).reshape(number, num_units)
        yield times[:, units].astype(np.float64)
