"""Units: images that are one independent observation, such as those of a patient, have the same number; and pairs of rows."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def renumbered(units: Integers) -> Integers:
    """The same units `(N,)`, numbered from 0 without a gap in the order of their first rows."""
    _, first, inverse = np.unique(units, return_index=True, return_inverse=True)
    rank: Integers = np.argsort(np.argsort(first))[inverse]
    return rank


def pair_keys(pairs: npt.NDArray[np.integer[Any]]) -> Integers:
    """A number for each pair of rows below 2^31, `(P, 2)`, in the order of the pairs, `(P,)`."""
    keys: Integers = pairs[:, 0].astype(np.int64) << 32 | pairs[:, 1].astype(np.int64)
    return keys


def unique_pairs(parts: Iterable[npt.NDArray[np.integer[Any]]]) -> Integers:
    """Pairs of rows below 2^31, sorted and each once, `(P, 2) int64`.

    Args:
        parts: `(M, 2)` each, which are taken one after the other: there may be tens of millions of pairs.
    """
    keys = np.concatenate([np.empty(0, np.int64), *(pair_keys(part) for part in parts)])
    keys.sort()  # in a fraction of the time of `np.unique`, which hashes them
    keys = keys[np.concatenate([np.ones(min(1, len(keys)), bool), keys[1:] != keys[:-1]])]
    found = np.empty((len(keys), 2), np.int64)
    found[:, 0], found[:, 1] = keys >> 32, keys & 0xFFFFFFFF
    return found
