"""Clusters whose members are all tied to their centre, or to a copy of it, so that ties do not chain."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from darkroom.similarity.confirmation import Confirmed
from darkroom.units import Integers


def star_clusters(number: int, ties: Confirmed) -> Integers:
    """Gives each row the centre of its cluster: the row with most ties comes first, and takes those tied to it that are still free.

    Args:
        number: Of rows.
        ties: Pairs of rows.

    Returns:
        `(N,) int64`: the row of the centre, which is its own for a centre and for a row without ties.
    """
    tied: dict[int, list[int]] = defaultdict(list)
    for first, second in ties.pairs.tolist():
        tied[first].append(second)
        tied[second].append(first)
    centres: Integers = np.arange(number)
    free = set(tied)
    for centre in sorted(tied, key=lambda row: (-len(tied[row]), row)):
        if centre in free:
            members = [row for row in tied[centre] if row in free]
            centres[members] = centre
            free -= {centre, *members}
    return centres


def between_clusters(ties: Confirmed, centres: Integers) -> tuple[Confirmed, Integers]:
    """The best tie between each two clusters.

    Args:
        ties: Pairs of rows.
        centres: `(N,)`: the centre of each row's cluster.

    Returns:
        The ties as pairs of centres, the lower one first; and the pairs of rows that were compared, `(P, 2) int64`.
    """
    pairs = np.sort(centres[ties.pairs], axis=1)
    apart = pairs[:, 0] != pairs[:, 1]
    pairs, compared, correlations = pairs[apart], ties.pairs[apart], ties.correlations[apart]
    order = np.lexsort((-correlations, pairs[:, 1], pairs[:, 0]))
    pairs, first = np.unique(pairs[order], axis=0, return_index=True)
    return Confirmed(pairs, correlations[order][first]), compared[order][first]


def smallest_names(centres: Integers, names: Sequence[str]) -> list[str]:
    """The name of each row's cluster: the smallest of its members' names."""
    smallest: dict[int, str] = {}
    for centre, name in zip(centres.tolist(), names, strict=True):
        smallest[centre] = min(name, smallest.get(centre, name))
    return [smallest[centre] for centre in centres.tolist()]
