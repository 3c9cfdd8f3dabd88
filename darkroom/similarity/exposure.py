"""Pictures of one thing under different exposures, of which one is burnt out: what is white in it says nothing about the other's tones."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darkroom.units import Integers

BURNT = 248  # grey level from which on a pixel is burnt out
MIN_BURNT = 0.1  # share of the pixels by which one of two pictures is more burnt out, from which on tones are made equal
_BLOCK = 4_096  # pictures


def differently_burnt(grey: npt.NDArray[np.uint8], pairs: Integers) -> npt.NDArray[np.bool_]:
    """Which pairs `equally_exposed` changes.

    Args:
        grey: `(N, S, S) uint8`.
        pairs: `(P, 2) int64`: rows.
    """
    blocks = np.split(grey, range(_BLOCK, len(grey), _BLOCK))
    shares = np.concatenate([(block >= BURNT).mean((1, 2), dtype=np.float32) for block in blocks])
    found: npt.NDArray[np.bool_] = np.abs(shares[pairs[:, 0]] - shares[pairs[:, 1]]) > MIN_BURNT
    return found


def equally_exposed(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Gives of two pictures the one that is less burnt out the tones of the other, where they differ by `MIN_BURNT`.

    As its histogram becomes the other's, so many of its lightest pixels become white, too, whatever the exposures were. Pictures of
    other things stay other ones: their details are at other places.

    Args:
        first: `(N, S, S) float32`, whole grey levels of 0 to 255.
        second: The same, of the other pictures.
    """
    more = _burnt_out(second) - _burnt_out(first)
    darker, lighter = torch.nonzero(more > MIN_BURNT)[:, 0], torch.nonzero(more < -MIN_BURNT)[:, 0]
    if len(darker):
        first = first.index_copy(0, darker, _toned(first[darker], second[darker]))
    if len(lighter):
        second = second.index_copy(0, lighter, _toned(second[lighter], first[lighter]))
    return first, second


def _burnt_out(pictures: Tensor) -> Tensor:
    """The share of burnt-out pixels, `(N,)`."""
    return (pictures >= BURNT).float().mean((1, 2))


def _toned(pictures: Tensor, goals: Tensor) -> Tensor:
    """Pictures whose grey levels are changed so that their histograms are those of the goals.

    Source: Gonzalez, Woods: Digital Image Processing, 3.3.2, histogram specification.
    """
    have, wanted = _shares_below(pictures), _shares_below(goals)
    middles = have - torch.diff(have, dim=1, prepend=torch.zeros(len(have), 1)) / 2
    levels = torch.searchsorted(wanted, middles.contiguous()).clamp(max=255).float()
    return levels.gather(1, pictures.flatten(1).long()).reshape(pictures.shape)


def _shares_below(pictures: Tensor) -> Tensor:
    """The share of pixels up to each grey level, `(N, 256)`."""
    levels = pictures.flatten(1).long()
    counts = torch.zeros(len(levels), 256).scatter_add_(1, levels, torch.ones(levels.shape))
    return counts.cumsum(1) / levels.shape[1]
