"""Correlations in each orientation, blurring and moving: the quick way gives what the plain one gives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from darkroom.similarity.filters import blurred, shrunk
from darkroom.similarity.orientations import every_correlation, prepared, shifted_correlation
from darkroom.similarity.registration import moved
from darkroom.thumbnails import thumbnails
from tests.photographs import photograph


def test_all_orientations_are_the_same_the_quick_way() -> None:
    grey = torch.from_numpy(np.stack([thumbnails(photograph(seed)).grey for seed in range(6)]).astype(np.float32))
    small = prepared(shrunk(grey, 16))
    pairs = np.array([[0, 1], [0, 2], [0, 5], [1, 4], [3, 4], [3, 5]])
    expected = shifted_correlation(small[pairs[:, 0]], small[pairs[:, 1]], torch.arange(8)[:, None].expand(-1, len(pairs)))
    torch.testing.assert_close(every_correlation(small, pairs), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("side", "sigma", "reach", "mode"), [(32, 2.0, 6, "reflect"), (64, 0.5, 2, "reflect"), (4, 2.0, 6, "replicate")])
def test_blurring_is_that_of_a_gaussian_filter(side: int, sigma: float, reach: int, mode: str) -> None:
    pictures = torch.from_numpy(np.random.default_rng(0).random((2, side, side), dtype=np.float32))
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    expected = F.conv2d(F.pad(pictures[:, None], (reach,) * 4, mode=mode), kernel[None, None])[:, 0]
    torch.testing.assert_close(blurred(pictures, sigma), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", [16, 33])
def test_a_picture_is_moved_as_torch_moves_it(side: int) -> None:
    rng = np.random.default_rng(side)
    maps = torch.eye(2, 3) + torch.from_numpy(rng.normal(0, 0.1, (3, 2, 3)).astype(np.float32))
    pictures = torch.from_numpy(rng.random((3, side, side), dtype=np.float32))
    grid = F.affine_grid(maps, [3, 1, side, side], align_corners=False)
    found, inside = moved(pictures, maps)
    expected = F.grid_sample(pictures[:, None], grid, align_corners=False, padding_mode="border")[:, 0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert (inside == (grid.abs() <= 1 - 0.5 / side).all(-1)).all()
    assert 0 < inside.mean() < 1
