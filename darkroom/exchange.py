"""Exchange of units between splits, where shares of labels are still off after units were assigned one after the other."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from darkroom.units import Integers

Floats = npt.NDArray[np.float64]
TOLERANCE, FEW = 0.01, 2  # by which a share may be off: of a split's images, or the largest unit, of which so many images count
NUM_CANDIDATES, MAX_STEPS = 200, 500  # units of a split that are tried in a step, and steps: 10 ms each
_LEAST_GAIN = 1e-6  # of the sum of squares, in a step


def exchange(labels: csr_array, sizes: Integers, splits: Integers, placed: Integers, wanted: Floats) -> Integers:
    """Exchanges units between two splits, or moves one, as long as a share is off and that brings all of them nearer together.

    Each step is, of those between a split of which a share is off and another, the one that leaves the least sum of squares of what
    the shares of all labels in all splits, and the sizes of the splits, are off by. A split keeps the last unit of each label.

    Args:
        labels: `(U, K) int64` images of each label in each unit, in random order.
        sizes: `(U,)` images in each unit.
        splits: `(U,)` splits that the units have so far.
        placed: `(K + 1, S)` images of each label, and in the last row of all, that are in each split beside the units.
        wanted: `(K + 1, S)` images that each split should have. One that has no unit and should get none receives none.

    Returns:
        `(U,) int64` splits.
    """
    splits, numbers = splits.copy(), range(placed.shape[1])
    images = placed + np.stack([np.append(labels[splits == number].sum(axis=0), sizes[splits == number].sum()) for number in numbers], 1)
    overall = images[:-1].sum(axis=1) / max(1, images[-1].sum())
    scale = np.maximum(wanted[-1], 1.0)
    taking = (images > placed).any(axis=0) | (wanted > placed).any(axis=0)
    few = min(int(sizes.max(initial=1)), FEW)
    for _ in range(MAX_STEPS):
        off = images - wanted
        off[:-1] -= overall[:, None] * off[-1]
        uneven = (np.abs(off) > np.maximum(TOLERANCE * scale, few)).any(axis=0)
        best = (0.0, -1, -1, 0, 0)
        if (uneven & taking).any():
            sides = [_candidates(labels, sizes, np.flatnonzero(splits == number), images[:, number], overall) for number in numbers]
            for pair in combinations(np.flatnonzero(taking).tolist(), 2):
                if uneven[list(pair)].any():
                    one, other = (sides[number] for number in pair)
                    best = min(best, (*_best_exchange(one, other, off[:, pair], scale[list(pair)] ** -2.0), *pair))
        change, one_unit, other_unit, first, second = best
        if change >= -_LEAST_GAIN * float(((off / scale) ** 2).sum()):  # of large groups, rounding alone makes some
            break
        for unit, source, target in ((one_unit, first, second), (other_unit, second, first)):
            if unit >= 0:
                splits[unit] = target
                moved = np.append(labels[[unit]].sum(axis=0), sizes[unit])
                images[:, source] -= moved
                images[:, target] += moved
    return splits


class _Candidates(NamedTuple):
    """Units of a split that may leave it.

    Attributes:
        units: `(M,)` their numbers.
        vectors: `(M, K + 1)`, what each changes: the images of each label beyond its share of all images, and the images.
    """

    units: Integers
    vectors: Floats


def _candidates(labels: csr_array, sizes: Integers, members: Integers, images: Integers, overall: Floats) -> _Candidates:
    """Of the members of a split with so many `(K + 1,)` images, the first ones that have not the last images of a label."""
    members = members[: 4 * NUM_CANDIDATES]  # of a million units, looking at each takes longer than all the rest
    parts = labels[members]
    last = csr_array((parts.data >= images[parts.indices], parts.indices, parts.indptr), shape=parts.shape)
    members = members[last.sum(axis=1) == 0][:NUM_CANDIDATES]
    beyond = labels[members].toarray() - np.outer(sizes[members], overall)
    return _Candidates(members, np.column_stack([beyond, sizes[members]]))


def _best_exchange(one: _Candidates, other: _Candidates, off: Floats, weights: Floats) -> tuple[float, int, int]:
    """How much the sum of squares changes, and the units that change places: -1 is none, so that the other is moved."""
    pull, weight = 2 * (off[:, 0] * weights[0] - off[:, 1] * weights[1]), float(weights.sum())
    leaving = np.append(weight * (one.vectors**2).sum(axis=1) - one.vectors @ pull, 0.0)
    coming = np.append(weight * (other.vectors**2).sum(axis=1) + other.vectors @ pull, 0.0)
    change = leaving[:, None] + coming
    change[:-1, :-1] -= 2 * weight * one.vectors @ other.vectors.T
    largest = max(float(np.abs(leaving).max()), float(np.abs(coming).max()), 1e-300)
    change = (change / largest).round(9) * largest  # equal units are equal on every processor
    row, column = np.unravel_index(change.argmin(), change.shape)
    return float(change[row, column]), int(np.append(one.units, -1)[row]), int(np.append(other.units, -1)[column])
