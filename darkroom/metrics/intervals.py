"""How far a measure would move with other test images: intervals that hold the truth 95 times in 100."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from darkroom.evaluation import Predictions
from darkroom.metrics.measures import Floats, Ints, count, scores
from darkroom.metrics.ranking import ranking

CONFIDENCE = 0.95
QUANTILES = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
MEASURES = ("accuracy", "balanced_accuracy", "f1_macro", "f1_micro")
RANKING = ("roc_auc", "average_precision")
RESAMPLED = (
    *MEASURES, *RANKING, "f1_weighted", "precision_macro", "recall_macro", "precision", "recall", "f1", "subset_accuracy", "hamming_loss"
)  # fmt: skip
_CHUNK = 4_000_000  # numbers held at once


def intervals(predictions: Predictions, num_resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """Limits of the headline measures.

    Shares of independent images (`accuracy` of single-label tasks, `subset_accuracy`) get Wilson's interval, which
    stays honest where no image was wrong; all others the percentiles of resampled test sets. Images of one unit, such as a
    patient's, are drawn together; a single unit says nothing about others.

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
    right = predictions.y_true == predictions.y_pred
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
    limits = binomtest(num_right, num_images).proportion_ci(CONFIDENCE, method="wilson")
    return float(limits.low), float(limits.high)


def share_interval(found: npt.NDArray[np.bool_], units: Ints, num_resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Limits of the share of images in which something was found.

    Args:
        found: `(N,) bool`, at least one image.
        units: `(N,)`: images of one number are one observation.
        num_resamples: Sets of images drawn with replacement, where units have several images.
        seed: Decides which.

    Returns:
        Wilson's limits where every unit is one image, or where all images say the same; else percentiles of resampled sets.
    """
    _, units = np.unique(units, return_inverse=True)
    num_units, certain = int(units.max()) + 1, found.all() or not found.any()
    if num_units == len(found) or certain:
        return wilson(num_units * int(found.all()) if certain else int(found.sum()), num_units)
    shares = np.concatenate([weights @ found / weights.sum(1) for weights in resamples(units, num_resamples, seed)])
    low, high = np.quantile(shares, QUANTILES).tolist()
    return low, high


def standard_error(predictions: Predictions, measure: str, num_resamples: int = 200, seed: int = 0) -> float:
    """How much a measure varies with the images that it is computed from: its deviation over resampled sets of images.

    Args:
        predictions: Answers on the images; those of one unit are drawn together.
        measure: One of `RESAMPLED`.
        num_resamples: Sets of images drawn with replacement.
        seed: Decides which.

    Returns:
        The standard error; 0 where the measure is not defined on two resampled sets, or where all images are one unit.

    Source:
        Efron and Tibshirani 1993, An introduction to the bootstrap, section 6.2.
    """
    values = resampled(predictions, [measure], num_resamples, seed)[measure]
    values = values[np.isfinite(values)]
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def resampled(predictions: Predictions, names: Sequence[str], num_resamples: int, seed: int) -> dict[str, Floats]:
    """Measures on test sets drawn with replacement; two models with the same units are given the same test sets.

    Args:
        predictions: Answers on the test images.
        names: Of `RESAMPLED`.
        num_resamples: Test sets.
        seed: Decides which.

    Returns:
        `(num_resamples,)` for each name; NaN where it is not defined.
    """
    parts: dict[str, list[Floats]] = {name: [] for name in names}
    for weights in resamples(predictions.units, num_resamples, seed) if names else ():
        values = _values(predictions, weights) | {name: ranking(predictions, weights, name) for name in names if name in RANKING}
        for name in names:
            parts[name].append(values[name])
    return {name: np.concatenate(values) for name, values in parts.items()}


def _values(predictions: Predictions, weights: Floats) -> dict[str, Floats]:
    """What follows from counts, on each of many test sets; see `darkroom.metrics.measures.measures`."""
    counts = count(predictions.y_true, predictions.y_pred, len(predictions.classes), weights)
    values = scores(counts, predictions.task)
    if predictions.task == "binary":
        values |= {name: getattr(counts, name)[:, 1] for name in ("precision", "recall", "f1")}
    if predictions.task == "multilabel":
        right = (predictions.y_true == predictions.y_pred).all(1)
        values |= {"subset_accuracy": weights @ right / weights.sum(1), "hamming_loss": 1 - values["accuracy"]}
    return values


def _bootstrap(predictions: Predictions, num_resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    names = [*MEASURES, *(["subset_accuracy"] if predictions.task == "multilabel" else [])]
    drawn = {name: values[np.isfinite(values)] for name, values in resampled(predictions, names, num_resamples, seed).items()}
    limits = {name: np.quantile(values, QUANTILES).tolist() for name, values in drawn.items() if len(values)}
    return {name: (low, high) for name, (low, high) in limits.items()}


def resamples(units: Ints, num_resamples: int, seed: int) -> Iterator[Floats]:
    """Test sets drawn with replacement, whole units at a time.

    Args:
        units: `(N,)` numbers from 0 without a gap: images of one number are drawn together.
        num_resamples: Test sets.
        seed: Decides which.

    Yields:
        `(S, N) float64`: how often each image is in each of some of the test sets.
    """
    rng = np.random.default_rng(seed)
    num_units = int(units.max()) + 1
    step = max(1, _CHUNK // len(units))
    for start in range(0, num_resamples, step):
        number = min(step, num_resamples - start)
        drawn = rng.integers(num_units, size=(number, num_units)) + np.arange(number)[:, None] * num_units
        times = np.bincount(drawn.ravel(), minlength=number * num_units).reshape(number, num_units)
        yield times[:, units].astype(np.float64)
