"""In which of the eight orientations (mirrored, turned by quarters) a picture looks most like another, shifted or not."""

from functools import cache

import torch
from torch import Tensor

from darkroom.similarity.filters import evened

NUM_ORIENTATIONS = 8
_SIGMA = 3.0  # of what is local, in pixels at 32; finer structure decides
_NOISE = 4.0
_SHIFT = 0.13  # of the side, to either direction


def oriented(pictures: Tensor, orientations: Tensor) -> Tensor:
    """Pictures `(N, S, S)`, each in its own orientation, `(N,) int64`: the number of quarter turns, and 4 more if mirrored then."""
    result = torch.empty_like(pictures)
    for number in range(NUM_ORIENTATIONS):
        rows = orientations == number
        if rows.any():
            result[rows] = _turned(pictures[rows], number)
    return result


def prepared(pictures: Tensor) -> Tensor:
    """Pictures `(N, S, S)` in grey levels, ready for `shifted_correlation`: evened, faded out to their edges, of length 1."""
    side = pictures.shape[-1]
    faded = evened(pictures, _SIGMA * max(side, 24) / 32, _NOISE) * _window(side)
    lengths: Tensor = faded.norm(dim=(1, 2), keepdim=True)
    return faded / lengths.clamp(min=1e-6)


def shifted_correlation(first: Tensor, second: Tensor, orientations: Tensor) -> Tensor:
    """The largest correlation of two pictures over small shifts.

    Args:
        first: `(N, S, S)`, from `prepared`.
        second: The same.
        orientations: `(M, N) int64`: in which the second is looked at.

    Returns:
        `(M, N) float32`, -1 to 1.

    Source: Kuglin, Hines: The phase correlation image alignment method, 1975; here of evened pictures, so unweighted.
    """
    side = first.shape[-1]
    reach = max(1, int(side * _SHIFT))
    spectrum = torch.fft.rfft2(first)
    found = []
    for orientation in orientations:
        products = spectrum * torch.fft.rfft2(oriented(second, orientation)).conj()
        near = torch.roll(torch.fft.irfft2(products, s=(side, side)), (reach, reach), (1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
        found.append(near.amax((1, 2)))
    return torch.stack(found)


def _turned(pictures: Tensor, orientation: int) -> Tensor:
    turned = torch.rot90(pictures, orientation % 4, (1, 2))
    return turned.flip(2) if orientation >= 4 else turned


@cache
def _window(side: int) -> Tensor:
    edge = torch.hann_window(side + 2, periodic=False)[1:-1].sqrt()
    return edge[:, None] * edge
