"""Progressive resizing."""

import pytest
import torch

from darkroom.training.progressive import resize, share_of_pixels, side_at


def test_the_side_grows_in_steps_and_is_full_for_the_last_third():
    assert [side_at(epoch, 8, 160, 0.6) for epoch in range(9)] == [96, 96, 128, 128, 128, 160, 160, 160, 160]
    assert [side_at(epoch, 3, 48, 0.5) for epoch in range(3)] == [32, 32, 48]


def test_without_it_every_epoch_has_the_full_side():
    assert {side_at(epoch, 5, 50, 1.0) for epoch in range(5)} == {50}
    assert share_of_pixels(1.0) == pytest.approx(1)


@pytest.mark.parametrize("first", [0.25, 0.6, 0.9])
def test_the_share_of_pixels_is_that_of_many_small_steps(first):
    sides = [side_at(epoch, 3000, 32_000, first) for epoch in range(3000)]
    assert share_of_pixels(first) == pytest.approx(sum(side**2 for side in sides) / (3000 * 32_000**2), abs=2e-3)


def test_resizing_keeps_what_an_image_shows():
    ramp = torch.arange(0, 256, 4, dtype=torch.uint8).expand(2, 3, 64, 64)
    assert resize(ramp, 64) is ramp
    smaller = resize(ramp, 32)
    assert smaller.dtype == torch.uint8 and smaller.shape == (2, 3, 32, 32)
    assert (smaller.float() - torch.linspace(2, 250, 32)).abs().max() <= 2
