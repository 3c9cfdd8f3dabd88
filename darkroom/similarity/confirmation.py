"""Confirms on the pixels that two images show the same: oriented, aligned, and compared in their details."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darkroom.similarity.exposure import differently_burnt, equally_exposed
from darkroom.similarity.filters import shrunk
from darkroom.similarity.levels import MIN_CLOSE_UP
from darkroom.similarity.local_correlation import Agreement, fine_details, local_correlation
from darkroom.similarity.orientations import every_correlation, oriented, prepared, shifted_correlation
from darkroom.similarity.registration import CLOSE_UP, COARSE, FINE, moved, register
from darkroom.system.parallel import ordered
from darkroom.system.scratch import scratch
from darkroom.training import devices
from darkroom.units import Integers, pair_keys

GREY_PX, CLOSE_PX = 64, 128  # sides of the pictures that are compared, and of those close up
# limits below which none is of 6,223 pairs that were confirmed without them: 50,000 images of CIFAR-10, and copies of 20 kinds at full
# size, 64 and 32 px. Sides in pixels and the least correlation of pictures that are not aligned yet (the lowest are 0.53 and 0.50):
ROUGH, FINER = (16, 0.52), (32, 0.5)
UNSURE = 0.1  # less of the second-best orientation at the rough side, up to which it may be the right one (0.05 of 2,200 copies)
# the same of the details of aligned thumbnails: at the rough side alone (0.495), of the second one moved onto the first (0.647), and of the
# better direction (0.78), which is higher than that of the pictures
ROUGHLY_ALIGNED, NEARLY_ALIGNED, MIN_ALIGNED = 0.49, 0.64, 0.75
# correlation of corners at GREY_PX from which on that close up is not below min_close_up (of 4,700 pairs of three sets the highest of those
# that are below 0.5 close up is 0.83), and by how much it may be lower (0.26 from 0.85 on)
SURE, MAX_LOSS = 0.86, 0.36
MAX_GAIN = 0.1  # by so much at most is a correlation too low of pictures that lie as their thumbnails fit, before they are aligned (0.078)
_ROUGHLY, _THUMBNAILS, _PICTURES, _CLOSE = 1024, 256, 64, 8  # pairs at once: eight at 128 px take half the time a pair that 64 take

Floats = npt.NDArray[np.float64]
Grey = npt.NDArray[np.uint8]
Pictures = Callable[[Integers, int], Grey]  # of `(M,)` rows at a side of S pixels, `(M, S, S)`


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
        toned: Whether the pictures are compared as `equally_exposed` makes them.
    """

    pairs: Integers
    orientations: Tensor
    maps: Tensor
    toned: bool

    def at(self, chosen: npt.NDArray[np.bool_]) -> "_Likely":
        """Some of them."""
        return _Likely(self.pairs[chosen], self.orientations[chosen], self.maps[chosen], self.toned)


class _Roughly(NamedTuple):
    """Pairs that may fit.

    Attributes:
        pairs: `(P, 2) int64`, rows.
        orientations: `(2, P) int64`, of the second pictures: the best, and the second best, or -1 where that is much worse.
    """

    pairs: Integers
    orientations: Tensor

    def at(self, chosen: npt.NDArray[np.bool_]) -> "_Roughly":
        """Some of them."""
        return _Roughly(self.pairs[chosen], self.orientations[:, torch.from_numpy(chosen)])


def confirm(
    pairs: Integers, grey: Grey, pictures: Pictures, min_correlation: float, min_detail_share: float, min_close_up: float = MIN_CLOSE_UP
) -> Confirmed:
    """Keeps the pairs that show the same: first by their thumbnails, then by their pictures, and at last by these close up.

    Either picture is moved onto the other, and the better fit counts: so it does not matter which is the first. Pairs of which one is more
    burnt out are compared as they are (a white frame is no exposure), and then, if they are not alike, with the tones of that one.

    Args:
        pairs: `(P, 2) int64`: pairs of rows.
        grey: `(N, 32, 32) uint8`: thumbnails.
        pictures: Gives the grey pictures of some rows with sides of so many pixels; is asked for those of likely pairs alone.
        min_correlation: Pairs below it are left out.
        min_detail_share: So are those that have details in a smaller share of their area.
        min_close_up: And those whose correlation close up, of corners and texture, is below this: only their outlines agree.
    """
    with devices.threads(1):  # of torch: the threads that call it are as many as there are cores

        def compared(likely: _Likely) -> Confirmed:
            likely, found, sides, corners = _alike(_aligned(likely, grey), pictures, min_correlation, min_detail_share)
            close = corners >= max(SURE, min_close_up + MAX_LOSS)
            close[~close] = _close_up(likely.at(~close), sides[~close], pictures) >= min_close_up
            return Confirmed(likely.pairs[close], found[close])

        rough = _roughly_oriented(pairs, grey)
        found = compared(_oriented(rough, grey))
        known = np.isin(pair_keys(rough.pairs), pair_keys(found.pairs))
        uneven = rough.at(differently_burnt(grey, rough.pairs) & ~known)
        return _both(found, compared(_oriented(uneven, grey, toned=True))) if len(uneven.pairs) else found


def _both(one: Confirmed, other: Confirmed) -> Confirmed:
    """The pairs of both, sorted."""
    pairs, correlations = np.concatenate([one.pairs, other.pairs]), np.concatenate([one.correlations, other.correlations])
    order = np.argsort(pair_keys(pairs))
    return Confirmed(pairs[order], correlations[order])


def _alike(likely: _Likely, pictures: Pictures, min_correlation: float, min_detail_share: float) -> tuple[_Likely, Floats, Tensor, Floats]:
    """The pairs whose details correlate, with better maps.

    Returns:
        The pairs; their correlations; which of the two maps fits better, `(P,) int64`; and the correlations of corners under it.
    """
    seen, places = _of_pairs(likely, pictures, GREY_PX)

    def correlate(start: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        rows = torch.arange(start, min(start + _PICTURES, len(places)))
        pair = _pair(seen, places[rows.numpy()], likely.orientations[rows], likely.toned)
        details = fine_details(pair[0]), fine_details(pair[1])
        before = [_compared(details[side], pair[1 - side], likely.maps[rows, side]).correlation for side in (0, 1)]
        hopeful, maps, known, corners = torch.maximum(*before) >= min_correlation - MAX_GAIN, [], [], []
        rows, pair, details = rows[hopeful], (pair[0][hopeful], pair[1][hopeful]), (details[0][hopeful], details[1][hopeful])
        for side in (0, 1):
            better, found = _fitted(pair[side], details[side], pair[1 - side], FINE, likely.maps[rows, side], corners=True)
            maps.append(better)
            known.append(torch.where(found.share >= min_detail_share, found.correlation, -1.0))
            corners.append(found.corners)
        best, sides = torch.stack(known).max(0)
        return rows, torch.stack(maps, dim=1), best, sides, torch.stack(corners).gather(0, sides[None])[0]

    none = torch.empty(0, dtype=torch.int64)
    parts = [(none, likely.maps[:0], torch.empty(0), none, torch.empty(0)), *ordered(correlate, range(0, len(places), _PICTURES))]
    rows, maps, correlations, sides, cornered = (torch.cat(part) for part in zip(*parts, strict=True))
    found = np.asarray(np.round(correlations.double().numpy(), 3), np.float64)
    kept = np.flatnonzero(found >= min_correlation)
    alike = _Likely(likely.pairs[rows[kept].numpy()], likely.orientations[rows[kept]], maps[kept], likely.toned)
    return alike, found[kept], sides[kept], np.asarray(cornered[kept].numpy(), np.float64)


def _close_up(likely: _Likely, sides: Tensor, pictures: Pictures) -> Floats:
    """The correlations of corners and texture at a higher resolution, under the maps that fit better."""
    seen, places = _of_pairs(likely, pictures, CLOSE_PX)

    def correlate(start: int) -> Tensor:
        block = slice(start, start + _CLOSE)
        fixed, moving = _pair(seen, places[block], likely.orientations[block], likely.toned)
        turned = (sides[block] == 1)[:, None, None]
        fixed, moving = torch.where(turned, moving, fixed), torch.where(turned, fixed, moving)
        maps = likely.maps[block][torch.arange(len(fixed)), sides[block]]
        return _fitted(fixed, fine_details(fixed), moving, CLOSE_UP, maps, corners=True)[1].corners

    found = torch.cat([torch.empty(0), *ordered(correlate, range(0, len(places), _CLOSE))])
    return np.asarray(found.numpy(), np.float64)


def _of_pairs(likely: _Likely, pictures: Pictures, side_px: int) -> tuple[Grey, Integers]:
    """The pictures of some pairs, and the pairs as places among them."""
    rows, places = np.unique(likely.pairs, return_inverse=True)
    return pictures(rows, side_px), places.reshape(-1, 2)


def _aligned(likely: _Likely, grey: Grey) -> _Likely:
    """The pairs whose thumbnails fit when they are aligned, with their maps."""

    def align(start: int) -> tuple[Tensor, Tensor]:
        block = slice(start, start + _THUMBNAILS)
        fixed, moving = _pair(grey, likely.pairs[block], likely.orientations[block], likely.toned)
        rows = torch.arange(start, start + len(fixed))
        there, details = torch.eye(2, 3).repeat(len(fixed), 1, 1), fine_details(fixed)
        for level, limit in zip(COARSE, (ROUGHLY_ALIGNED, NEARLY_ALIGNED), strict=True):
            there, fits = _fitted(fixed, details, moving, (level,), there)
            every, hopeful = (rows, fixed, details, moving, there, fits.correlation), fits.correlation >= limit
            rows, fixed, details, moving, there, correlations = (values[hopeful] for values in every)
        back, fits = _fitted(moving, fine_details(moving), fixed, COARSE)
        kept = torch.maximum(correlations, fits.correlation) >= MIN_ALIGNED
        return rows[kept], torch.stack([there, back], dim=1)[kept]

    found = list(ordered(align, range(0, len(likely.pairs), _THUMBNAILS)))
    rows, maps = (torch.cat(parts) for parts in zip((torch.empty(0, dtype=torch.int64), likely.maps), *found, strict=True))
    return _Likely(likely.pairs[rows.numpy()], likely.orientations[rows], maps, likely.toned)


def _fitted(
    fixed: Tensor,
    details: Tensor,
    moving: Tensor,
    levels: Sequence[tuple[int, int]],
    maps: Tensor | None = None,
    *,
    corners: bool = False,
) -> tuple[Tensor, Agreement]:
    """Moves pictures onto others, of which the details are known: the maps, and how well they agree under these."""
    if not len(fixed):
        return torch.empty(0, 2, 3), Agreement(*torch.empty(3, 0))
    found = register(fixed, moving, levels, maps)
    return found, _compared(details, moving, found, corners=corners)


def _compared(details: Tensor, moving: Tensor, maps: Tensor, *, corners: bool = False) -> Agreement:
    """How well pictures' details agree with those of others under their maps."""
    shown, inside = moved(moving, maps)
    return local_correlation(details, fine_details(shown), inside, corners=corners)


def _roughly_oriented(pairs: Integers, grey: Grey) -> _Roughly:
    """The pairs whose thumbnails may fit when they are shrunk further, with the two best orientations of the second one."""

    def orient(start: int) -> tuple[Integers, Tensor]:
        block = pairs[start : start + _ROUGHLY]
        correlations, best = every_correlation(small, block).topk(2, dim=0)
        best[1] = torch.where(correlations[1] >= correlations[0] - UNSURE, best[1], -1)
        kept = correlations[0] >= ROUGH[1]
        return block[kept.numpy()], best[:, kept]

    small = _all_prepared(grey, ROUGH[0], np.arange(len(grey)))
    return _Roughly(*_joined(ordered(orient, range(0, len(pairs), _ROUGHLY)), torch.empty(2, 0, dtype=torch.int64)))


def _oriented(rough: _Roughly, grey: Grey, *, toned: bool = False) -> _Likely:
    """The pairs whose thumbnails fit, shifted or not, with the orientation of the second one in which they do."""

    def finer(start: int) -> tuple[Integers, Tensor]:
        block, best = rows[start : start + _THUMBNAILS], rough.orientations[:, start : start + _THUMBNAILS]
        if toned:
            pictures = equally_exposed(*(_tensor(grey[used[block[:, side]]]) for side in (0, 1)))
            first, second = prepared(pictures[0]), prepared(pictures[1])
        else:
            first, second = (larger[block[:, side]].float() for side in (0, 1))
        chosen, correlations = best[0].clone(), shifted_correlation(first, second, best[:1])[0]
        unsure = torch.nonzero(best[1] >= 0)[:, 0]
        if len(unsure):
            others = shifted_correlation(first[unsure], second[unsure], best[1:, unsure])[0]
            better = others > correlations[unsure]
            chosen[unsure[better]], correlations[unsure[better]] = best[1, unsure[better]], others[better]
        kept = correlations >= FINER[1]
        return block[kept.numpy()], chosen[kept]

    used, rows = np.unique(rough.pairs, return_inverse=True)
    alone = used[:0] if toned else used  # a picture with another's tones differs from pair to pair
    larger, rows = _all_prepared(grey, FINER[0], alone), rows.reshape(-1, 2)
    likely, chosen = _joined(ordered(finer, range(0, len(rows), _THUMBNAILS)), torch.empty(0, dtype=torch.int64))
    return _Likely(used[likely], chosen, torch.empty(0, 2, 2, 3), toned)


def _joined(parts: Iterator[tuple[Integers, Tensor]], none: Tensor) -> tuple[Integers, Tensor]:
    """Pairs and what is known of each, of all blocks."""
    pairs, known = zip((np.empty((0, 2), np.int64), none), *parts, strict=True)
    return np.concatenate(pairs), torch.cat(known, dim=-1)


def _all_prepared(grey: Grey, side_px: int, rows: Integers) -> Tensor:
    """Some thumbnails as `prepared` makes them, at a lower precision: `(len(rows), side_px, side_px) float16`."""
    found = torch.from_numpy(scratch((len(rows), side_px, side_px), np.float16))
    blocks = [slice(start, start + _THUMBNAILS) for start in range(0, len(rows), _THUMBNAILS)]
    for block, made in zip(blocks, ordered(lambda block: _prepared(grey[rows[block]], side_px).half(), blocks), strict=True):
        found[block] = made
    return found


def _prepared(grey: Grey, side_px: int) -> Tensor:
    return prepared(shrunk(_tensor(grey), side_px))


def _pair(pictures: Grey, pairs: Integers, orientations: Tensor, toned: bool) -> tuple[Tensor, Tensor]:
    """The pictures of some pairs, `(N, S, S) float32` each, the second ones in their orientations."""
    first, second = _tensor(pictures[pairs[:, 0]]), oriented(_tensor(pictures[pairs[:, 1]]), orientations)
    return equally_exposed(first, second) if toned else (first, second)


def _tensor(pictures: Grey) -> Tensor:
    return torch.from_numpy(pictures.astype(np.float32))
