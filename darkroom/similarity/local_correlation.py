"""How well the fine structure of two pictures that lie on each other agrees, whatever their brightness and contrast are."""

from functools import cache, reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from darkroom.similarity.filters import blurred, in_both_directions

FINE_PX, COARSE_PX = 0.5, 2.0  # details between these scales count: outlines of things of one kind agree, their details do not
STRIDE_PX = 4
WINDOW_PX = 2 * STRIDE_PX
_NOISE = 1.0  # grey levels of noise, which correlate with nothing
_DETAIL = 2.0  # contrast of details that counts half, in grey levels
_STRAIGHT = 1.0  # squared grey levels of gradients, from compression alone, that say nothing about a direction
_TRIMMED = 0.2  # share that agrees least and is left out: a logo, a hand, a moving leaf


def fine_details(pictures: Tensor) -> Tensor:
    """What pictures `(N, S, S) float32`, in grey levels, have between the two scales."""
    return blurred(pictures, FINE_PX) - blurred(pictures, COARSE_PX)


class Agreement(NamedTuple):
    """How well details agree, `(N,)` each.

    Attributes:
        correlation: -1 to 1.
        share: Of the windows in which both pictures have details, 0 to 1.
        corners: The correlation in which a window counts as much as its details run in both directions: straight edges agree wherever
            outlines do. Zeros where it was not asked for.
    """

    correlation: Tensor
    share: Tensor
    corners: Tensor


def local_correlation(first: Tensor, second: Tensor, inside: Tensor, *, corners: bool = False) -> Agreement:
    """Correlates details in windows, and averages over the windows in which both pictures have some.

    Args:
        first: `(N, S, S) float32`, the details of pictures.
        second: Those of others, moved onto them.
        inside: `(N, S, S)` of 0 and 1: which of the moved pixels come from inside of their picture.
        corners: Whether that of corners is wanted, too.
    """
    known = (in_both_directions(inside, _around(inside.shape[-1])) > 0.99).float()
    count = _windows(known).clamp(min=1e-3)
    means = [_windows(details * known) / count for details in (first, second)]
    variances = [
        (_windows(details**2 * known) / count - mean**2).clamp(min=0) for details, mean in zip((first, second), means, strict=True)
    ]
    covariance = _windows(first * second * known) / count - means[0] * means[1]
    correlation = (covariance / torch.sqrt((variances[0] + _NOISE**2) * (variances[1] + _NOISE**2))).flatten(1)
    weight = (_detail(*variances) * (count > 0.5)).flatten(1)
    share, agreement = weight.sum(1) / (count > 0.5).flatten(1).sum(1).clamp(min=1), _trimmed_mean(correlation, weight)
    if not corners:
        return Agreement(agreement, share, torch.zeros_like(share))
    weight = weight * torch.minimum(*(_corners(details, known) for details in (first, second))).flatten(1)
    return Agreement(agreement, share, _trimmed_mean(correlation, weight))


def _windows(values: Tensor) -> Tensor:
    """Means of overlapping windows; as sums of rows and of columns, which take a fraction of the time of pooling."""
    rows = reduce(torch.add, [values[:, start::STRIDE_PX] for start in range(STRIDE_PX)])
    rows = rows[:, 1:] + rows[:, :-1]
    columns = reduce(torch.add, [rows[:, :, start::STRIDE_PX] for start in range(STRIDE_PX)])
    return (columns[:, :, 1:] + columns[:, :, :-1]) / WINDOW_PX**2


@cache
def _around(side_px: int) -> Tensor:
    """The same for the mean of the five pixels around each, beyond the ends of the row zeros, `(S, S)`."""
    places = torch.arange(side_px)
    return ((places[:, None] - places).abs() <= 2).float() / 5


def _detail(first: Tensor, second: Tensor) -> Tensor:
    """How much detail both pictures have in each window, 0 to 1; the second at the contrast of the first."""
    contrasts = first.sqrt(), second.sqrt()
    gain = ((contrasts[1] + 0.5) / (contrasts[0] + 0.5)).flatten(1).median(1).values[:, None, None].clamp(0.2, 5)
    common = torch.minimum(contrasts[0], contrasts[1] / gain) ** 2
    return common / (common + _DETAIL**2)


def _corners(details: Tensor, known: Tensor) -> Tensor:
    """How much the details of each window run in both directions, 0 of straight edges to 1 of corners and texture.

    Source: Harris, Stephens: A combined corner and edge detector, 1988 (here the ratio of the eigenvalues of the structure tensor).
    """
    across, down = F.pad(details[:, :, 2:] - details[:, :, :-2], (1, 1)), F.pad(details[:, 2:] - details[:, :-2], (0, 0, 1, 1))
    xx, yy, xy = (_windows(products * known) for products in (across**2, down**2, across * down))
    spread = torch.sqrt((xx - yy) ** 2 + 4 * xy**2)
    return (xx + yy - spread).clamp(min=0) / (xx + yy + spread + _STRAIGHT)


def _trimmed_mean(values: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean without the lowest values, `_TRIMMED` of the weight."""
    ordered, order = torch.sort(values, dim=1, stable=True)
    weights = weight.gather(1, order)
    below = weights.cumsum(1) / weights.sum(1, keepdim=True).clamp(min=1e-6)
    kept = weights * (below > _TRIMMED)
    return (ordered * kept).sum(1) / kept.sum(1).clamp(min=1e-6)
