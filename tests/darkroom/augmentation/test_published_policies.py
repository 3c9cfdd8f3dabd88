"""Strengths of published policies against torchvision's tables."""

import pytest
import torch
from torchvision.transforms.v2 import RandAugment, TrivialAugmentWide

from darkroom.augmentation.published_policies import rand_augment, trivial_augment

THEIRS = {
    "horizontal_shear": "ShearX",
    "vertical_shear": "ShearY",
    "horizontal_translation": "TranslateX",
    "vertical_translation": "TranslateY",
    "rotation": "Rotate",
    "brightness": "Brightness",
    "contrast": "Contrast",
    "saturation": "Color",
    "sharpness": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "autocontrast": "AutoContrast",
    "equalize": "Equalize",
}
FACTORS = ("brightness", "contrast", "saturation", "sharpness")
SIDE_PX = 224  # TrivialAugment moves by 32 pixels whatever the side, here by that share


def in_our_units(name: str, magnitude: float, sign: int) -> float:
    if name in FACTORS:
        return 1 + sign * magnitude
    return sign * magnitude / (SIDE_PX if name.endswith("translation") else 1)


@pytest.mark.parametrize("magnitude", [0, 9, 30])
def test_rand_augment_is_as_strong_as_torchvisions(magnitude: int) -> None:
    space, choices = RandAugment._AUGMENTATION_SPACE, {one.name: one for one in rand_augment(magnitude)}
    assert {THEIRS[name] for name in choices} | {"Identity"} == set(space)
    for name, one in choices.items():
        magnitudes, is_signed = space[THEIRS[name]]
        table = magnitudes(31, SIDE_PX, SIDE_PX)
        if table is None:
            continue
        theirs = float(table[magnitude])
        ends = torch.tensor([in_our_units(name, theirs, sign) for sign in ((-1, 1) if is_signed else (1, 1))])
        ours = one.strengths(torch.tensor([0.2, 0.8]))
        torch.testing.assert_close(ours.round() if name == "posterize" else ours, ends, atol=1e-6, rtol=0)


def test_trivial_augment_reaches_as_far_as_torchvisions() -> None:
    space, choices = TrivialAugmentWide._AUGMENTATION_SPACE, {one.name: one for one in trivial_augment()}
    assert {THEIRS[name] for name in choices} | {"Identity"} == set(space)
    for name, one in choices.items():
        magnitudes, is_signed = space[THEIRS[name]]
        table = magnitudes(31, SIDE_PX, SIDE_PX)
        if table is None:
            continue
        reached = [in_our_units(name, float(value), sign) for value in table for sign in ((-1, 1) if is_signed else (1,))]
        assert (one.low, one.high, one.only_ends) == (pytest.approx(min(reached)), pytest.approx(max(reached)), False)
