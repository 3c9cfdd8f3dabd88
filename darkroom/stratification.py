"""Stratification: assigns units to splits, or to folds, so that each gets its share of every label.

Of three splits, columns 0, 1, 2 are train, validation, test. A split whose share is 0 receives no new unit.
"""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from darkroom.exchange import exchange
from darkroom.units import Integers

Floats = npt.NDArray[np.float64]


def stratify(labels: csr_array, sizes: Integers, placed: Integers, shares: Floats, *, exclusive: bool, seed: int) -> Integers:
    """Assigns units to splits.

    Where every image has one label, units of one image are assigned exactly: each split gets every class within one image
    of its share, and at least one image of a class that has enough. Units of several images are assigned first, by
    iterative stratification, so that the single images even out the remaining differences. Where a share is still off by more
    than a percentage point and an image (two in groups), as in small sets of several labels, units are exchanged, unless all are
    single images of one label.

    Args:
        labels: `(U, K) int64` images of each label in each unit.
        sizes: `(U,)` images in each unit.
        placed: `(K + 1, S)` images of each label, and in the last row of all, that are already in each split.
        shares: `(S,)` share of all images that each split should have.
        exclusive: Every image has exactly one label.
        seed: Decides which units go where.

    Returns:
        `(U,) int64` of 0 to S - 1.
    """
    rank = np.random.default_rng(seed).permutation(len(sizes))
    given, new = placed, np.append(labels.sum(axis=0), sizes.sum())
    single = exclusive & (sizes == 1)
    result = np.full(len(sizes), -1, dtype=np.int64)
    alone = np.flatnonzero(single)[np.argsort(rank[single])]
    joint = np.flatnonzero(~single)[np.lexsort((rank[~single], -sizes[~single]))]
    classes = labels[alone].indices.astype(np.int64)
    later = np.bincount(classes, minlength=labels.shape[1])
    if len(joint):
        result[joint] = _stratify_units(labels[joint], sizes[joint], demand(placed, new, shares), placed, later, shares > 0)
    for split in range(len(shares)):
        members = joint[result[joint] == split]
        placed = placed.copy()
        placed[:, split] += np.append(labels[members].sum(axis=0), sizes[members].sum())
    result[alone] = _stratify_single_images(classes, placed[:-1], later, shares)
    if len(joint):
        order = np.argsort(rank)
        result[order] = exchange(labels[order], sizes[order], result[order], given, given + demand(given, new, shares))
    return result


def stratify_images(labels: csr_array, unit: Integers, placed: Integers, shares: Floats, *, exclusive: bool, seed: int) -> Integers:
    """Assigns images to splits, those of a unit together.

    Args:
        labels: `(N, K)` of 0 and 1, which labels each image has.
        unit: `(N,)` numbers: images of one number stay together.
        placed: See `stratify`.
        shares: See `stratify`.
        exclusive: Every image has exactly one label.
        seed: Decides which units go where.

    Returns:
        `(N,) int64` of 0 to S - 1.
    """
    _, inverse = np.unique(unit, return_inverse=True)
    members = csr_array((np.ones(len(unit), dtype=np.int64), (inverse, np.arange(len(unit)))))
    sizes = np.bincount(inverse).astype(np.int64)
    return stratify(csr_array(members @ labels), sizes, placed, shares, exclusive=exclusive, seed=seed)[inverse]


def demand(placed: Integers, new: Integers, shares: Floats) -> Floats:
    """How many new images of each label every split should get, so that the totals come nearest to the shares.

    A split that already has more than its share gets none, and the other splits share the rest.

    Args:
        placed: `(K, S)` images that are already in each split.
        new: `(K,)` images to be assigned.
        shares: `(S,)`.

    Returns:
        `(K, S) float64`, rows adding up to `new`.
    """
    taking = np.broadcast_to(shares > 0, placed.shape)
    goal = np.zeros(placed.shape)
    for _ in range(placed.shape[1]):
        weights = np.where(taking, shares, 0.0)
        total = new + np.where(taking, placed, 0).sum(axis=1)
        goal = total[:, None] * weights / weights.sum(axis=1, keepdims=True)
        taking = taking & (placed <= goal + 1e-9)
    return np.where(taking, np.maximum(goal - placed, 0.0), 0.0)


def _stratify_single_images(classes: Integers, placed: Integers, new: Integers, shares: Floats) -> Integers:
    """Assigns units of one image, given in random order by their class, by whole-number quotas."""
    quotas = _round_quotas(demand(placed, new, shares), placed, shares > 0)
    by_class = np.argsort(classes, kind="stable")
    result = np.empty(len(classes), dtype=np.int64)
    result[by_class] = np.repeat(np.tile(np.arange(len(shares)), len(quotas)), quotas.ravel())
    return result


def _round_quotas(demands: Floats, placed: Integers, taking: npt.NDArray[np.bool_]) -> Integers:
    """Rounds each row up or down, keeping its sum; the remainder of each split is carried over to the next class."""
    quotas = np.floor(demands + 1e-9).astype(np.int64)
    carried = np.zeros(len(taking))
    for wanted, quota, existing in zip(demands, quotas, placed, strict=True):
        rest = wanted - quota
        priority = np.where(rest > 1e-9, rest + carried, -np.inf)
        for split in np.argsort(-priority, kind="stable")[: round(rest.sum())]:
            quota[split] += 1
        _ensure_one_each(quota, existing, taking)
        carried += wanted - quota
    return quotas


def _ensure_one_each(quota: Integers, existing: Integers, taking: npt.NDArray[np.bool_]) -> None:
    first, *others = range(len(taking))  # a class must be in train before it can be tested, and tested before the epoch is chosen by it
    for split in (first, *reversed(others)):
        total = quota + existing
        donors = np.where((quota > 0) & (total > 1), total, 0)
        if taking[split] and total[split] == 0 and donors.max() > 0:
            quota[int(donors.argmax())] -= 1
            quota[split] += 1


def _stratify_units(
    labels: csr_array, sizes: Integers, demands: Floats, placed: Integers, later: Integers, taking: npt.NDArray[np.bool_]
) -> Integers:
    """Assigns units, given largest first, label by label, the rarest label first.

    The last units of a label are reserved for the splits that have none of it.

    Source: Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, ECML PKDD 2011; here over groups.
    """
    open_splits = [split for split in range(len(taking)) if taking[split]]
    desire, has = demands.tolist(), (placed > 0).tolist()
    everything = len(desire) - 1
    pointers, columns, counts = labels.indptr.tolist(), labels.indices.tolist(), labels.data.tolist()
    by_label = labels.tocsc()
    left = np.diff(by_label.indptr).astype(np.int64)
    result = [-1] * len(sizes)

    def assign(unit: int, label: int, candidates: list[int]) -> None:
        """Assigns a unit to the candidate that lacks most images of the label, and subtracts the unit from what is lacking."""
        chosen = max(candidates, key=lambda split: (desire[label][split], desire[everything][split]))
        result[unit] = chosen
        desire[everything][chosen] -= sizes[unit]
        for position in range(pointers[unit], pointers[unit + 1]):
            column = columns[position]
            desire[column][chosen] -= counts[position]
            has[column][chosen] = True
            left[column] -= 1

    while left.any():
        label = int(np.where(left > 0, left, np.iinfo(np.int64).max).argmin())
        for unit in np.sort(by_label.indices[by_label.indptr[label] : by_label.indptr[label + 1]]).tolist():
            if result[unit] < 0:
                without = [split for split in open_splits if not has[label][split]]
                assign(unit, label, without if 0 < left[label] + later[label] <= len(without) else open_splits)
    for unit in range(len(sizes)):
        if result[unit] < 0:
            assign(unit, everything, open_splits)
    return np.array(result, dtype=np.int64)
