"""The nearest neighbours of vectors, exactly, a block of rows at a time."""

import hashlib

import numpy as np
import numpy.typing as npt
import torch

from darkroom.system.parallel import ordered
from darkroom.units import Integers

MAX_FEATURES = 256
_BLOCK_VALUES = 2**25  # similarities that are in memory at a time on a thread, 128 MiB

Floats = npt.NDArray[np.float32]


def projected(vectors: Floats, key: str, num_features: int = MAX_FEATURES) -> Floats:
    """Vectors of at most so many features, of unit length, whose angles are nearly those of the given ones.

    The projection is random and fixed: it depends on nothing but the key, so further images change no distance.

    Args:
        vectors: `(N, D) float32`.
        key: Of what made the vectors, such as `Origin.key`.
        num_features: The most that they get.

    Returns:
        `(N, min(D, num_features)) float32`.

    Source: Johnson, Lindenstrauss: Extensions of Lipschitz mappings into a Hilbert space, 1984.
    """
    if vectors.shape[1] > num_features:
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
        vectors = vectors @ np.random.default_rng(seed).standard_normal((vectors.shape[1], num_features), dtype=np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


def nearest_pairs(vectors: Floats, num_neighbours: int, min_cosine: float = -1.0) -> Integers:
    """Pairs each row with the rows nearest to it.

    Args:
        vectors: `(N, D) float32`, of unit length.
        num_neighbours: Pairs a row, at most.
        min_cosine: Pairs less similar than that are left out.

    Returns:
        `(P, 2) int64`: pairs of rows, the lower one first, sorted, each once.
    """
    number, everything = len(vectors), torch.from_numpy(np.ascontiguousarray(vectors))
    rows = max(1, _BLOCK_VALUES // max(1, number))

    def pairs_of(start: int) -> Integers:
        block = everything[start : start + rows] @ everything.T
        block[torch.arange(len(block)), torch.arange(start, start + len(block))] = -2.0
        cosines, others = block.topk(min(num_neighbours, number - 1), dim=1)
        own, place = np.nonzero(cosines.numpy() >= min_cosine)
        return np.sort(np.stack([own + start, others.numpy()[own, place]], axis=1), axis=1)

    if number < 2:
        return np.empty((0, 2), np.int64)
    return np.unique(np.concatenate(list(ordered(pairs_of, range(0, number, rows), ahead=1))), axis=0).astype(np.int64)
