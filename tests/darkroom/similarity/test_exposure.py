"""Equal exposures: the tones of a picture become those of one that is more burnt out, and nothing else is changed."""

import numpy as np
import torch
from torch import Tensor

from darkroom.similarity.exposure import BURNT, MIN_BURNT, differently_burnt, equally_exposed


def pictures(number: int = 3) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(10, 140, (number, 16, 16)).astype(np.float32))


def exposed(dark: Tensor, gain: float) -> Tensor:
    return (dark * gain).round().clamp(max=255)


def test_the_darker_picture_becomes_the_burnt_out_one_of_which_it_is_a_copy() -> None:
    dark = pictures()
    light = exposed(dark, 2.5)
    assert ((light >= BURNT).float().mean((1, 2)) > 0.2).all()
    for first, second in (equally_exposed(dark, light), equally_exposed(light, dark)[::-1]):
        assert torch.equal(second, light)
        assert (first - light).abs().max() <= 2


def test_pictures_of_as_many_burnt_out_pixels_stay_as_they_are() -> None:
    dark = pictures()
    found = equally_exposed(dark, exposed(dark, 1.5))
    assert torch.equal(found[0], dark) and torch.equal(found[1], exposed(dark, 1.5))


def test_each_pair_is_judged_for_itself() -> None:
    dark = pictures(2)
    light = torch.stack([exposed(dark[0], 2.5), dark[1]])
    found = equally_exposed(dark, light)
    assert not torch.equal(found[0][0], dark[0]) and torch.equal(found[0][1], dark[1])


def test_pairs_differ_from_a_share_of_burnt_out_pixels_on() -> None:
    grey = np.zeros((3, 10, 10), np.uint8)
    grey[1].flat[: round(100 * MIN_BURNT) + 1] = 255
    grey[2].flat[: round(100 * MIN_BURNT) - 1] = 255
    assert differently_burnt(grey, np.array([[0, 1], [0, 2], [1, 2]])).tolist() == [True, False, False]
