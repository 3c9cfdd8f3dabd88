"""Filters of grey pictures: what is left of them without their brightness and contrast."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


def blurred(pictures: Tensor, sigma_px: float) -> Tensor:
    """Pictures `(N, S, S) float32` under a Gaussian; as products of matrices, which small pictures need less time for than for filters."""
    return in_both_directions(pictures, _blurring(pictures.shape[-1], sigma_px))


def in_both_directions(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Pictures `(N, S, S)` of which each row and each column is multiplied by a matrix `(S, M)`: `(N, M, M)`."""
    return matrix.T @ (pictures @ matrix)


def evened(pictures: Tensor, sigma_px: float, noise: float) -> Tensor:
    """Pictures whose local mean is 0 and whose local contrast is 1.

    Args:
        pictures: `(N, S, S) float32`.
        sigma_px: Of the Gaussian that says what is local.
        noise: Contrast that is not raised any more, in grey levels.
    """
    details = pictures - blurred(pictures, sigma_px)
    return details / torch.sqrt(blurred(details**2, sigma_px) + noise**2)


def shrunk(pictures: Tensor, side_px: int) -> Tensor:
    """Pictures `(N, S, S)` averaged to `(N, side_px, side_px)`."""
    return pictures if pictures.shape[-1] == side_px else F.adaptive_avg_pool2d(pictures[:, None], side_px)[:, 0]


@cache
def _blurring(side_px: int, sigma_px: float) -> Tensor:
    """`(S, S)`: what a row of pixels is multiplied by; beyond its ends it is mirrored."""
    reach = max(1, int(3 * sigma_px + 0.5))
    weights = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float32) ** 2) / (2 * sigma_px**2))
    mode = "reflect" if reach < side_px else "replicate"
    rows = F.pad(torch.eye(side_px)[:, None], (reach, reach), mode=mode)
    return F.conv1d(rows, (weights / weights.sum())[None, None])[:, 0].contiguous()
