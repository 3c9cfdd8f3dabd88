"""Decides how many copies of which training images are made, so that rare labels come nearer to common ones."""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def plan_copies(y_true: Integers, *, target_share: float, max_per_image: int, max_copies: int, exclusive: bool, seed: int) -> Integers:
    """Decides how often each image is copied.

    Args:
        y_true: `(N, K)` of 0 and 1.
        target_share: How many images each label should have, as a share of the most common label's.
        max_per_image: Copies of one image at most.
        max_copies: Copies at most; the rarest labels are served first.
        exclusive: Every image has exactly one label.
        seed: Decides which images are copied if not all are.

    Returns:
        `(N,) int64` copies of each image.
    """
    counts = y_true.sum(axis=0)
    goal = int(np.ceil(target_share * counts.max(initial=0)))
    order = np.random.default_rng(seed).permutation(len(y_true))
    if exclusive:
        return _by_class(y_true.argmax(axis=1), counts, order, goal, max_per_image, max_copies)
    return _by_label(y_true, counts, order, goal, max_per_image, max_copies)


def smallest_share(y_true: Integers) -> float:
    """Images of the rarest label that occurs over those of the most common one; 1 where there is none."""
    counts = y_true.sum(axis=0)
    return float(counts[counts > 0].min() / counts.max()) if counts.any() else 1.0


def _by_class(classes: Integers, counts: Integers, order: Integers, goal: int, max_per_image: int, max_copies: int) -> Integers:
    """Raises all classes to the highest level up to the goal that the number of copies allows."""

    def wanted(level: int) -> Integers:
        return np.minimum(np.maximum(level - counts, 0), max_per_image * counts)

    low, high = 0, goal
    while low < high:
        level = (low + high + 1) // 2
        low, high = (level, high) if wanted(level).sum() <= max_copies else (low, level - 1)
    copies = np.zeros(len(classes), dtype=np.int64)
    for number, missing in enumerate(wanted(low).tolist()):
        members = order[classes[order] == number]
        if missing:
            copies[members] = missing // len(members)
            copies[members[: missing % len(members)]] += 1
    return copies


def _by_label(y_true: Integers, counts: Integers, order: Integers, goal: int, max_per_image: int, max_copies: int) -> Integers:
    """Copies, one at a time, an image with the rarest label below the goal that raises the fewest common labels."""
    copies, counts = np.zeros(len(y_true), dtype=np.int64), counts.copy()
    open_labels = (counts > 0) & (counts < goal)
    carriers = {label: order[y_true[order, label] == 1] for label in np.flatnonzero(open_labels).tolist()}
    while open_labels.any() and copies.sum() < max_copies:
        label = int(np.where(open_labels, counts, np.iinfo(np.int64).max).argmin())
        members = carriers[label]
        members = members[copies[members] < max_per_image]
        if len(members) == 0:
            open_labels[label] = False
            continue
        common = y_true[members][:, counts >= goal].sum(axis=1)
        chosen = members[np.lexsort((common, copies[members]))[0]]
        copies[chosen] += 1
        counts += y_true[chosen]
        open_labels &= counts < goal
    return copies
