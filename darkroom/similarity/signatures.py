"""Pairs of signatures that differ in few bits, without comparing all pairs."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from darkroom.units import Integers, unique_pairs

NUM_BYTES = 8
MAX_BITS = NUM_BYTES - 2  # so many bits that differ leave two of the eight bytes equal
_SAMPLE = 2000
_FEW = 0.2  # share of the rows below which they are compared by their numbers

Signatures = npt.NDArray[np.uint64]


def similar_signatures(signatures: Signatures, max_bits: int = MAX_BITS) -> Integers:
    """Finds the pairs of signatures that differ in at most `max_bits` bits.

    Signatures are sorted by two of their bytes, in each of the 28 ways to choose them, and compared with those that follow while
    these two bytes are equal. Of equal signatures only the first is compared; each of the others makes a pair with it, as n of
    them would make n^2 / 2 pairs.

    Args:
        signatures: `(N,) uint64`, see `darkroom.thumbnails.signature`.
        max_bits: Up to 6.

    Returns:
        `(P, 2) int64`: pairs of rows, the lower one first, sorted, each once.

    Raises:
        ValueError: `max_bits` is above 6: such pairs need not have two equal bytes.
    """
    if max_bits > MAX_BITS:
        raise ValueError(f"pairs that differ in up to {MAX_BITS} bits can be found, not {max_bits}")
    values, first, inverse = np.unique(signatures, return_index=True, return_inverse=True)
    rows = np.arange(len(signatures))
    copies = np.stack([first[inverse], rows], axis=1)[first[inverse] != rows]
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(-1, NUM_BYTES)
    found = [copies]
    for left, right in combinations(range(NUM_BYTES), 2):
        keys = octets[:, left].astype(np.uint16) * 256 + octets[:, right]
        found += [np.sort(first[pairs], axis=1) for pairs in _pairs_of_equal_keys(values, keys, max_bits)]
    return unique_pairs(found)


def few_bits(signatures: Signatures, max_pairs: float) -> int:
    """The most bits, up to 6, in which signatures may differ so that an image has about `max_pairs` similar ones at most.

    X-rays of one view and drawings on white are alike by millions of pairs, none of which says that one is a copy. How many
    there are is estimated from the first rows, which are a fair sample where rows are in the order of their hashes.
    """
    sample = signatures[:_SAMPLE]
    differing = np.bitwise_count(sample[:, None] ^ sample)[np.triu_indices(len(sample), 1)]
    expected = np.bincount(differing, minlength=65).cumsum() / max(1, len(differing)) * len(signatures)
    return int((expected[1 : MAX_BITS + 1] <= max_pairs).sum())


def _pairs_of_equal_keys(values: Signatures, keys: npt.NDArray[np.uint16], max_bits: int) -> Iterator[Integers]:
    """Pairs of rows whose values differ in few bits, among them all whose keys are equal: each row is compared with those behind it."""
    order = np.argsort(keys, kind="stable")
    ordered = values[order]
    sizes = np.bincount(keys, minlength=1)
    behind = (np.cumsum(sizes)[keys[order]] - np.arange(1, len(order) + 1)).astype(np.int32)  # rows of the same key after each
    places: Integers | None = None
    for step in range(1, int(sizes.max(initial=1))):
        if places is None and (behind >= step).mean() < _FEW:
            places = np.flatnonzero(behind >= step)
        if places is None:  # nearly all: a slice is quicker, and those of other keys that it compares do no harm
            close = np.flatnonzero(np.bitwise_count(ordered[:-step] ^ ordered[step:]) <= max_bits)
        else:
            places = places[behind[places] >= step]
            close = places[np.bitwise_count(ordered[places] ^ ordered[places + step]) <= max_bits]
        if len(close):
            yield np.stack([order[close], order[close + step]], axis=1)
