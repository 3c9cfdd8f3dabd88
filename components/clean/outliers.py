"""Which images stand out of their class and of the whole by a score, such as how blurred they are; what is common in a class does not."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from darkroom.units import Integers

MIN_CLASS = 20  # images from which on a class has a distribution of its own; a smaller one has that of all images
_TO_DEVIATION = 1.4826  # from the upper quartile less the median to the standard deviation of a normal distribution

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Outliers(NamedTuple):
    """What stands out.

    Attributes:
        rows: Of the images, `(F,) int64`.
        typical: `(N,)`: the median of each image's class.
        common: Number of images above the threshold, by the class in which there are too many of them to stand out; the key "" is for
            all images.
    """

    rows: Integers
    typical: Floats
    common: dict[str, int]


def rows_of_classes(labels: list[frozenset[str]]) -> dict[str, Integers]:
    """The rows of each class, which a row with several labels has a part in several times: `(M,) int64` each."""
    rows: dict[str, list[int]] = {}
    for row, one in enumerate(labels):
        for label in one:
            rows.setdefault(label, []).append(row)
    return {label: np.array(rows[label], np.int64) for label in sorted(rows)}


def outliers(scores: Floats, classes: Mapping[str, Integers], deviations: float, floor: float, max_share: float) -> Outliers:
    """Finds the images whose score is far above those of their class: of each of their classes, where they have several.

    Args:
        scores: `(N,)`, higher is worse; NaN where there is none.
        classes: See `rows_of_classes`.
        deviations: How far above the median, in standard deviations, estimated from the upper quartile.
        floor: Scores up to this never stand out.
        max_share: Of a class or of all images: where more are above the threshold (and more than one), that is how these are.
    """
    limits, typical = np.full(len(scores), -np.inf), np.full(len(scores), _median(scores))
    of_all = _limit(scores, deviations)
    for rows in classes.values():
        own = scores[rows]
        limit, middle = (_limit(own, deviations), _median(own)) if len(rows) >= MIN_CLASS else (of_all, _median(scores))
        limits[rows], typical[rows] = np.maximum(limits[rows], limit), middle
    limits[np.isneginf(limits)] = of_all  # of images without a label
    above = scores > np.maximum(limits, floor)
    found, common = above.copy(), {}
    for name, rows in classes.items():
        if (number := int(above[rows].sum())) > max(1.0, max_share * len(rows)):
            common[name] = number
            found[rows] = False
    if (number := int(found.sum())) > max(1.0, max_share * len(found)):
        common[""] = number
        found[:] = False
    return Outliers(np.flatnonzero(found), typical, common)


def from_threshold(scores: Floats, threshold: float) -> Outliers:
    """The images whose score, `(N,)`, is at least a threshold, whatever the others have."""
    return Outliers(np.flatnonzero(scores >= threshold), np.full(len(scores), _median(scores)), {})


def _limit(scores: Floats, deviations: float) -> float:
    known = scores[~np.isnan(scores)]
    if not len(known):
        return np.inf
    middle, upper = np.quantile(known, [0.5, 0.75])
    return float(middle + deviations * _TO_DEVIATION * (upper - middle))


def _median(scores: Floats) -> float:
    """NaN apart; 0 of none."""
    known = scores[~np.isnan(scores)]
    return float(np.median(known)) if len(known) else 0.0
