"""Odd images: dark, bright, blurred, without information, grey among coloured ones, of an odd size or shape, or off topic."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.clean.config import CleanConfig
from components.clean.off_topic import class_distances, nearby_distances
from components.clean.outliers import from_threshold, outliers, rows_of_classes
from darkroom.image_quality import DRAFT_PX, MEASURES
from darkroom.similarity.candidates import Projection
from darkroom.units import Integers

SMALL = "small"
ODD_CHECKS = ("off_topic", *MEASURES, "odd_size", "odd_aspect")

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


class Rule(NamedTuple):
    """When an image stands out by a score where the threshold is auto.

    Attributes:
        floor: What the score must exceed in any case.
        deviations: How far it must lie above the median of its class, in robust standard deviations.
        detail: A sentence about the image, with {value} and {typical}: what a person reads of a score.
    """

    floor: float
    deviations: float
    detail: str


RULES = {
    "off_topic": Rule(0.5, 3.0, "is far from its class: a tenth of it is within {value:.2f}, of others {typical:.2f}"),
    "dark": Rule(2.25, 4.0, "is dark: 95 % of its pixels are at most {value:.0f} of 255, of others {typical:.0f}"),
    "bright": Rule(2.25, 4.0, "is bright: 90 % of its pixels are at least {value:.0f} of 255, of others {typical:.0f}"),
    "blurred": Rule(3.6, 4.0, f"is blurred: at a side of {DRAFT_PX} px its edges are {{value:.1f}} px wide, of others {{typical:.1f}}"),
    "low_information": Rule(4.5, 4.0, "shows hardly anything: its grey levels hold {value:.1f} bits, of others {typical:.1f}"),
    "grey": Rule(5.4, 4.0, "is grey: its channels differ by {value:.0f} of 255 at most, of others by {typical:.0f}"),
    "odd_size": Rule(2.0, 4.0, "is of an odd size: by its sides {value:.1f} times as large or as small as the image in the middle"),
    "odd_aspect": Rule(float(np.log2(3)), 4.0, "is of an odd shape: its sides are 1 : {value:.1f}, of others 1 : {typical:.1f}"),
}
_LACKING = "has {} x {} pixels, and a side must have {} (clean.min_side_px)"


class Odd(NamedTuple):
    """A finding about an image.

    Attributes:
        row: Of the image.
        check: One of `ODD_CHECKS`, or `SMALL`.
        score: Higher is worse, in the check's unit.
        action: `flag`, `drop` or `tie`, as the setting says.
        detail: One sentence.
    """

    row: int
    check: str
    score: float
    action: str
    detail: str


def find_odd_images(
    names: list[str], labels: list[frozenset[str]], qualities: Floats, sizes: Floats, vectors: Projection | None, config: CleanConfig
) -> tuple[list[Odd], list[str]]:
    """Finds images that stand out of their class, by the checks that are not off, and those that are smaller than is wanted.

    Args:
        names: The images' ids.
        labels: What each shows.
        qualities: `(N, 5)`, a column for each of `MEASURES`.
        sizes: `(N, 2)`: width and height in pixels.
        vectors: Of these images and others; without, nothing is found off topic.
        config: Actions and thresholds.

    Returns:
        The findings, by check and row; and a sentence for each check of what is too common to be one.
    """
    wanted = [check for check in ODD_CHECKS if getattr(config, check) != "off"]
    classes = rows_of_classes(labels)
    scores = _shape_scores(sizes) | dict(zip(MEASURES, qualities.T, strict=True))
    if vectors is not None and "off_topic" in wanted:
        scores["off_topic"] = class_distances(vectors, names, classes)
    found, common = list[Odd](), list[str]()
    for check in (check for check in wanted if check in scores):
        rule, threshold = RULES[check], getattr(config, f"{check}_threshold")
        values = scores[check].astype(np.float64)
        if threshold == "auto":
            seen = outliers(values, classes, rule.deviations, rule.floor, config.max_odd_share)
            if vectors is not None and check == "off_topic" and len(seen.rows):
                seen = seen._replace(rows=np.intersect1d(seen.rows, _alone(vectors, names, classes)))
        else:
            seen = from_threshold(values, float(threshold))
        action = getattr(config, check)
        for row in seen.rows.tolist():
            value, typical = (_readable(check, score) for score in (values[row], seen.typical[row]))
            found.append(Odd(row, check, round(float(values[row]), 4), action, rule.detail.format(value=value, typical=typical)))
        common += _describe_common(check, seen.common, config)
    return found + _too_small(sizes, config.min_side_px), common


def _too_small(sizes: Floats, min_side_px: int) -> list[Odd]:
    """Not odd, but unwanted; the score is the share of the side that is lacking."""
    sides = sizes.min(axis=1)
    return [
        Odd(row, SMALL, 1 - sides[row] / min_side_px, "drop", _LACKING.format(*sizes[row].astype(int), min_side_px))
        for row in np.flatnonzero(sides < min_side_px).tolist()
    ]


def _alone(vectors: Projection, names: list[str], classes: Mapping[str, Integers]) -> Integers:
    """The rows of the images that have nothing near them, of any class, beside what others of their class have."""
    distances = nearby_distances(vectors, names).astype(np.float64)
    return outliers(distances, classes, RULES["off_topic"].deviations, 0.0, 1.0).rows


def _shape_scores(sizes: Floats) -> dict[str, Floats]:
    """How many times the side of each image is doubled or halved from that in the middle, and the longer side from the shorter one."""
    width, height = np.log2(np.maximum(sizes, 1)).T
    side = (width + height) / 2
    return {"odd_size": np.abs(side - np.median(side)), "odd_aspect": np.abs(width - height)}


def _readable(check: str, score: float) -> float:
    """What a person reads of a score."""
    if check in ("dark", "grey"):
        return float(2.0 ** (8 - score) - 1)
    if check == "bright":
        return float(256 - 2.0 ** (8 - score))
    if check == "low_information":
        return 8 - score
    return float(2.0**score) if check in ("odd_size", "odd_aspect") else score


def _describe_common(check: str, common: dict[str, int], config: CleanConfig) -> list[str]:
    """A sentence for what too many images have to be odd, if there is such a class."""
    if not common:
        return []
    names = [repr(name) if name else "all images" for name in common][:3]
    return [
        f"{check}: {sum(common.values()):,} images of {', '.join(names)}{' ...' if len(common) > 3 else ''} would be, more than "
        f"clean.max_odd_share {config.max_odd_share:g}: these are like that, and not odd"
    ]
