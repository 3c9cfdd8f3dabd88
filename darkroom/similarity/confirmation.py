"""Confirms on the pixels that two images show the same: oriented, aligned, and compared in their details."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darkroom.similarity.filters import shrunk
from darkroom.similarity.local_correlation import local_correlation
from darkroom.similarity.orientations import every_correlation, oriented, prepared, shifted_correlation
from darkroom.similarity.registration import COARSE, FINE, moved, register
from darkroom.system.parallel import ordered
from darkroom.training import devices
from darkroom.units import Integers

GREY_PX = 64
ROUGH, FINER = (16, 0.4), (32, 0.5)  # sides in pixels, and the correlation below which no copy of 20 kinds is
MIN_ALIGNED = 0.7  # correlation of the details of aligned thumbnails, which is higher than that of the pictures: the same
NEARLY_ALIGNED = 0.55  # of the second one moved onto the first, below which the first moved onto the second is not either
_THUMBNAILS, _PICTURES = 256, 64  # pairs at once

Floats = npt.NDArray[np.float64]
Grey = npt.NDArray[np.uint8]


class Confirmed(NamedTuple):
    """Pairs of images whose details agree.

    Attributes:
        pairs: `(P, 2) int64`, rows.
        correlations: `(P,) float64`, of their details, to three decimals.
    """

    pairs: Integers
    correlations: Floats


class _Likely(NamedTuple):
    """Pairs that are looked at more closely.

    Attributes:
        pairs: `(P, 2) int64`, rows.
        orientations: `(P,) int64`, of the second pictures, see `oriented`.
        maps: `(P, 2, 2, 3)`, of the second picture onto the first and of the first onto the second, see `register`; none yet before the
            pairs are aligned.
    """

    pairs: Integers
    orientations: Tensor
    maps: Tensor


def confirm(
    pairs: Integers, grey: Grey, pictures: Callable[[Integers], Grey], min_correlation: float, min_detail_share: float
) -> Confirmed:
    """Keeps the pairs that show the same: first by their thumbnails, then by their pictures.

    Either picture is moved onto the other, and the better fit counts: so it does not matter which is the first.

    Args:
        pairs: `(P, 2) int64`: pairs of rows.
        grey: `(N, 32, 32) uint8`: thumbnails.
        pictures: Gives the grey pictures of some rows, `(M, 64, 64) uint8`; is asked for those of likely pairs alone.
        min_correlation: Pairs below it are left out.
        min_detail_share: So are those that have details in a smaller share of their area.
    """
    with devices.threads(1):  # of torch: the threads that call it are as many as there are cores
        likely = _aligned(_oriented(pairs, grey), grey)
        rows, places = np.unique(likely.pairs, return_inverse=True)
        seen, places = pictures(rows), places.reshape(-1, 2)

        def correlate(start: int) -> Floats:
            block = slice(start, start + _PICTURES)
            fixed, moving = _pair(seen, places[block], likely.orientations[block])
            known = []
            for side, pair in enumerate(((fixed, moving), (moving, fixed))):
                _, correlations, shares = _fitted(*pair, FINE, likely.maps[block, side])
                known.append(torch.where(shares >= min_detail_share, correlations, -1.0))
            return np.asarray(np.round(torch.maximum(*known).double().numpy(), 3), np.float64)

        found = np.concatenate([np.empty(0), *ordered(correlate, range(0, len(places), _PICTURES))])
    return Confirmed(likely.pairs[found >= min_correlation], found[found >= min_correlation])


def _aligned(likely: _Likely, grey: Grey) -> _Likely:
    """The pairs whose thumbnails fit when they are aligned, with their maps."""

    def align(start: int) -> tuple[Tensor, Tensor]:
        block = slice(start, start + _THUMBNAILS)
        fixed, moving = _pair(grey, likely.pairs[block], likely.orientations[block])
        there, correlations, _ = _fitted(fixed, moving, COARSE)
        hopeful = torch.nonzero(correlations >= NEARLY_ALIGNED)[:, 0]
        back, others, _ = _fitted(moving[hopeful], fixed[hopeful], COARSE)
        kept = torch.maximum(correlations[hopeful], others) >= MIN_ALIGNED
        return start + hopeful[kept], torch.stack([there[hopeful[kept]], back[kept]], dim=1)

    found = list(ordered(align, range(0, len(likely.pairs), _THUMBNAILS)))
    rows, maps = (torch.cat(parts) for parts in zip((torch.empty(0, dtype=torch.int64), likely.maps), *found, strict=True))
    return _Likely(likely.pairs[rows.numpy()], likely.orientations[rows], maps)


def _fitted(fixed: Tensor, moving: Tensor, levels: Sequence[tuple[int, int]], maps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Moves pictures onto others: the maps, the correlations of the details, and the shares of the area that have some."""
    if not len(fixed):
        return torch.empty(0, 2, 3), torch.empty(0), torch.empty(0)
    found = register(fixed, moving, levels, maps)
    return found, *local_correlation(fixed, *moved(moving, found))


def _oriented(pairs: Integers, grey: Grey) -> _Likely:
    """The pairs whose thumbnails fit roughly, shifted or not, with the orientation of the second one in which they do."""

    def rough(start: int) -> tuple[Integers, Tensor]:
        block = pairs[start : start + _THUMBNAILS]
        correlations, best = every_correlation(small, block).topk(2, dim=0)
        kept = correlations[0] >= ROUGH[1]
        return block[kept.numpy()], best[:, kept]

    def finer(start: int) -> tuple[Integers, Tensor]:
        block, best = rows[start : start + _THUMBNAILS], candidates[:, start : start + _THUMBNAILS]
        first, second = (larger[block[:, side]].float() for side in (0, 1))
        correlations, choice = shifted_correlation(first, second, best).max(dim=0)
        kept = correlations >= FINER[1]
        return block[kept.numpy()], best[choice, torch.arange(best.shape[1])][kept]

    small = _all_prepared(grey, ROUGH[0])
    left, candidates = _joined(ordered(rough, range(0, len(pairs), _THUMBNAILS)), torch.empty(2, 0, dtype=torch.int64))
    used, rows = np.unique(left, return_inverse=True)
    larger, rows = _all_prepared(grey[used], FINER[0]), rows.reshape(-1, 2)
    likely, chosen = _joined(ordered(finer, range(0, len(rows), _THUMBNAILS)), torch.empty(0, dtype=torch.int64))
    return _Likely(used[likely], chosen, torch.empty(0, 2, 2, 3))


def _joined(parts: Iterator[tuple[Integers, Tensor]], none: Tensor) -> tuple[Integers, Tensor]:
    """Pairs and what is known of each, of all blocks."""
    pairs, known = zip((np.empty((0, 2), np.int64), none), *parts, strict=True)
    return np.concatenate(pairs), torch.cat(known, dim=-1)


def _all_prepared(grey: Grey, side_px: int) -> Tensor:
    """Thumbnails as `prepared` makes them, at a lower precision: `(N, side_px, side_px) float16`."""
    blocks = ordered(lambda start: _prepared(grey[start : start + _THUMBNAILS], side_px).half(), range(0, len(grey), _THUMBNAILS))
    return torch.cat([torch.empty(0, side_px, side_px, dtype=torch.float16), *blocks])


def _prepared(grey: Grey, side_px: int) -> Tensor:
    return prepared(shrunk(_tensor(grey), side_px))


def _pair(pictures: Grey, pairs: Integers, orientations: Tensor) -> tuple[Tensor, Tensor]:
    """The pictures of some pairs, `(N, S, S) float32` each, the second ones in their orientations."""
    return _tensor(pictures[pairs[:, 0]]), oriented(_tensor(pictures[pairs[:, 1]]), orientations)


def _tensor(pictures: Grey) -> Tensor:
    return torch.from_numpy(pictures.astype(np.float32))
