"""The operations that published policies draw from, with their strengths.

Sources: Cubuk et al. 2020, "RandAugment"; Müller and Hutter 2021, "TrivialAugment", its wide ranges; both as torchvision has
them. Here, geometry is about the image's middle, resampled once a draw, and mirrored beyond the border, where theirs is black.
"""

from collections.abc import Mapping
from typing import NamedTuple

from darkroom.augmentation.policy import Operation

STRONGEST = 30  # magnitude of RandAugment
NUM_LISTED = 14  # operations, with one that does nothing


class Range(NamedTuple):
    """How strong an operation may be.

    Attributes:
        neutral: The strength that changes nothing.
        rand_augment: How far from it RandAugment goes at its greatest magnitude.
        trivial_augment: How far TrivialAugment goes at most.
        is_signed: Whether it goes to either side; else down.
    """

    neutral: float
    rand_augment: float
    trivial_augment: float
    is_signed: bool = True


RANGES: Mapping[str, Range] = {
    "horizontal_shear": Range(0, 0.3, 0.99),
    "vertical_shear": Range(0, 0.3, 0.99),
    "horizontal_translation": Range(0, 150 / 331, 32 / 224),
    "vertical_translation": Range(0, 150 / 331, 32 / 224),
    "rotation": Range(0, 30, 135),
    "brightness": Range(1, 0.9, 0.99),
    "contrast": Range(1, 0.9, 0.99),
    "saturation": Range(1, 0.9, 0.99),
    "sharpness": Range(1, 0.9, 0.99),
    "posterize": Range(8, 4, 6, is_signed=False),
    "solarize": Range(1, 1, 1, is_signed=False),
    "autocontrast": Range(0, 0, 0),
    "equalize": Range(0, 0, 0),
}


def rand_augment(magnitude: float) -> tuple[Operation, ...]:
    """RandAugment's choices, all at one magnitude, 0 to `STRONGEST`."""
    return tuple(_at(name, one, one.rand_augment * magnitude / STRONGEST) for name, one in RANGES.items())


def trivial_augment() -> tuple[Operation, ...]:
    """TrivialAugment's choices, of which an image draws one."""
    return tuple(_up_to(name, one) for name, one in RANGES.items())


def _at(name: str, one: Range, reach: float) -> Operation:
    low, high = one.neutral - reach, one.neutral + reach if one.is_signed else one.neutral - reach
    return Operation(name=name, probability=1 / NUM_LISTED, low=low, high=high, only_ends=True)


def _up_to(name: str, one: Range) -> Operation:
    high = one.neutral + one.trivial_augment if one.is_signed else one.neutral
    return Operation(name=name, probability=1 / NUM_LISTED, low=one.neutral - one.trivial_augment, high=high)
