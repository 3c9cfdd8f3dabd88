"""How much better one model is than another on the same images, with intervals that hold the truth 95 times in 100."""

import dataclasses

import numpy as np

from darkroom.evaluation import Predictions
from darkroom.metrics.intervals import CONFIDENCE, MEASURES, resamples
from darkroom.metrics.measures import Floats, count, scores


def differences(before: Predictions, after: Predictions, num_resamples: int = 1000, seed: int = 0) -> dict[str, dict[str, float]]:
    """Changes of the headline measures from one model to another, on the images that both have answered.

    Both are judged by the later labels, and on the same drawn test sets: what makes an image hard cancels out.

    Args:
        before: The one model's answers.
        after: The other's, with the same classes.
        num_resamples: Test sets drawn with replacement.
        seed: Decides which.

    Returns:
        `change`, `low` and `high` for each measure that is defined; nothing where the models share no image. A single unit of
        images, such as those of one patient, tells nothing: -1 to 1.

    Source:
        Efron and Tibshirani 1993, An introduction to the bootstrap, sections 8.3 and 13.3: paired data.
    """
    known = set(before.image_ids)
    shared = [name for name in after.image_ids if name in known]
    if not shared:
        return {}
    later = after.at(shared)
    earlier = dataclasses.replace(before.at(shared), truth=later.truth)
    change = {name: value - _scores(earlier, None)[name] for name, value in _scores(later, None).items()}
    drawn: dict[str, list[Floats]] = {name: [] for name in MEASURES}
    for weights in resamples(later.units, num_resamples, seed):
        values, others = _scores(later, weights), _scores(earlier, weights)
        for name in MEASURES:
            drawn[name].append(values[name] - others[name])
    if later.units.max() == 0:
        return {name: {"change": float(value), "low": -1.0, "high": 1.0} for name, value in change.items() if np.isfinite(value)}
    defined = {name: values[np.isfinite(values)] for name, values in ((name, np.concatenate(parts)) for name, parts in drawn.items())}
    return {name: _limits(float(change[name]), values) for name, values in defined.items() if len(values) and np.isfinite(change[name])}


def num_shared(before: Predictions, after: Predictions) -> int:
    """Images that both models have answered."""
    return len(set(before.image_ids) & set(after.image_ids))


def _scores(predictions: Predictions, weights: Floats | None) -> dict[str, Floats]:
    return scores(count(predictions.truth, predictions.predicted, len(predictions.classes), weights), predictions.task)


def _limits(change: float, drawn: Floats) -> dict[str, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"change": change, "low": min(float(low), change), "high": max(float(high), change)}
