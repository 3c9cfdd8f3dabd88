"""In which of the eight orientations (mirrored, turned by quarters) a picture looks most like another, shifted or not."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from darkroom.similarity.filters import evened
from darkroom.units import Integers

NUM_ORIENTATIONS = 8
_SIGMA = 3.0  # of what is local, in pixels at 32; finer structure decides
_NOISE = 4.0
_SHIFT = 0.13  # of the side, to either direction


def oriented(pictures: Tensor, orientations: Tensor) -> Tensor:
    """Pictures `(N, S, S)`, each in its own orientation, `(N,) int64`: the number of quarter turns, and 4 more if mirrored then."""
    return pictures.flatten(1).gather(1, _places(pictures.shape[-1])[orientations]).reshape(pictures.shape)


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
    spectrum = torch.fft.rfft2(first)
    return torch.stack([_best(spectrum * torch.fft.rfft2(oriented(second, one)).conj()) for one in orientations])


def every_correlation(pictures: Tensor, pairs: Integers) -> Tensor:
    """What `shifted_correlation` gives for pairs in each orientation, in less time: for many pairs of small pictures.

    The first is turned and shifted instead of the second, once for all pairs that it begins: one product of matrices for these.

    Args:
        pictures: `(N, S, S)`, from `prepared`.
        pairs: `(P, 2) int64`: rows, sorted.

    Returns:
        `(8, P) float32`, -1 to 1.
    """
    first, second = (torch.from_numpy(np.ascontiguousarray(pairs[:, place])) for place in (0, 1))
    owners, numbers = torch.unique_consecutive(first, return_counts=True)
    singles, others = (pictures[rows].float().flatten(1) for rows in (owners, second))
    side = pictures.shape[-1]
    places, reach = _shifted_places(side), _reach(side)
    shifts = 2 * reach + 1
    rows = torch.empty(NUM_ORIENTATIONS, shifts, side + 2 * reach, side)
    every = rows.as_strided((NUM_ORIENTATIONS, shifts, shifts, side * side), (*rows.stride()[:3], 1))  # shifted by whole rows, too
    moved = torch.empty(every.shape)
    found = torch.empty(len(pairs), NUM_ORIENTATIONS * shifts**2)
    start = 0
    for single, number in zip(singles, numbers.tolist(), strict=True):
        torch.index_select(single, 0, places, out=rows.view(-1))
        moved.copy_(every)
        torch.mm(others[start : start + number], moved.view(-1, side * side).T, out=found[start : start + number])
        start += number
    return found.view(-1, NUM_ORIENTATIONS, shifts**2).amax(-1).T


def _best(products: Tensor) -> Tensor:
    """The largest correlation at a small shift, `(...)`, by the products of two spectra, `(..., S, S // 2 + 1)`."""
    side = products.shape[-2]
    return (torch.view_as_real(products).flatten(-3) @ _small_shifts(side)).amax(-1)


def _inverse(orientation: int) -> int:
    """The orientation that undoes another one."""
    return orientation if orientation >= 4 else (4 - orientation) % 4


@cache
def _small_shifts(side: int) -> Tensor:
    """The inverse transform of a spectrum, real and imaginary parts, at the small shifts alone: `(2 * S * (S // 2 + 1), shifts)`."""
    size = 2 * side * (side // 2 + 1)
    spectra = torch.view_as_complex(torch.eye(size).reshape(size, side, side // 2 + 1, 2))
    return _near(torch.fft.irfft2(spectra, s=(side, side))).flatten(1)


def _near(correlations: Tensor) -> Tensor:
    """Correlations `(N, S, S)` at the small shifts."""
    reach = _reach(correlations.shape[-1])
    return torch.roll(correlations, (reach, reach), (1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]


def _reach(side: int) -> int:
    """The largest of the small shifts, in pixels."""
    return max(1, int(side * _SHIFT))


def _turned(pictures: Tensor, orientation: int) -> Tensor:
    turned = torch.rot90(pictures, orientation % 4, (1, 2))
    return turned.flip(2) if orientation >= 4 else turned


@cache
def _places(side: int) -> Tensor:
    """Where each pixel of a picture in each orientation is from, `(8, S * S) int64`."""
    pixels = torch.arange(side * side).reshape(1, side, side)
    return torch.cat([_turned(pixels, orientation) for orientation in range(NUM_ORIENTATIONS)]).flatten(1)


@cache
def _shifted_places(side: int) -> Tensor:
    """Where each pixel of a picture in each orientation, undone, is from: shifted across, and repeated beyond its upper and lower end.

    Returns:
        `(8 * shifts * (S + 2 * reach) * S,) int64`.
    """
    reach, turned = _reach(side), torch.stack([_places(side)[_inverse(one)] for one in range(NUM_ORIENTATIONS)])
    pixels = torch.arange(-reach, side + reach) % side
    across = [turned.reshape(-1, side, side)[:, pixels].roll(shift, 2) for shift in range(-reach, reach + 1)]
    return torch.stack(across, dim=1).flatten()


@cache
def _window(side: int) -> Tensor:
    edge = torch.hann_window(side + 2, periodic=False)[1:-1].sqrt()
    return edge[:, None] * edge
