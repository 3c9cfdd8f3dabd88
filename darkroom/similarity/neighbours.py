"""The nearest neighbours of vectors: exactly, a block of rows at a time, or of many in cells."""

import hashlib
import math
import threading

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darkroom.system.parallel import ordered
from darkroom.system.scratch import scratch
from darkroom.units import Integers, unique_pairs

MAX_FEATURES = 256
MAX_EXACT = 20_000  # rows up to which all are compared
_CELLS, _OF_EACH = 4, 4  # cells a square root of the number of rows, and those that each row is in
_ROWS = 4096  # whose neighbours of all cells are compared at a time
BLOCK_VALUES = 2**24  # similarities that are in memory at a time on a thread, 64 MiB

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int32]


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


def nearest_pairs(vectors: Floats, num_neighbours: int, min_cosine: float = -1.0, max_exact: int = MAX_EXACT) -> Integers:
    """Pairs each row with the rows nearest to it.

    Of more than `max_exact` rows each is compared only with those that share one of its cells: the first rows, which are a
    fair sample where rows are in the order of their hashes, are the cells' centres, and a row is in the cells of the nearest four.

    Args:
        vectors: `(N, D) float32`, of unit length.
        num_neighbours: Pairs a row, at most.
        min_cosine: Pairs less similar than that are left out.
        max_exact: Rows up to which all are compared.

    Returns:
        `(P, 2) int64`: pairs of rows, the lower one first, sorted, each once.

    Source: Sivic, Zisserman: Video Google, 2003 (inverted files), with a row in several of them.
    """
    number, everything = len(vectors), torch.from_numpy(np.ascontiguousarray(vectors))
    if number < 2:
        return np.empty((0, 2), np.int64)
    if number <= max_exact:
        size = max(1, BLOCK_VALUES // number)
        blocks = [(torch.arange(start, min(start + size, number)), torch.arange(number)) for start in range(0, number, size)]
    else:
        cells = _cells(everything)
        blocks = [(part, rows) for rows in cells for part in _parts(rows, max(1, BLOCK_VALUES // len(rows)))]
    times = np.bincount(np.concatenate([part.numpy() for part, _ in blocks]), minlength=number)  # that each row is searched for
    others, cosines = (scratch((number, int(times.max()) * num_neighbours), kind) for kind in (np.int32, np.float32))
    others[:], cosines[:] = -1, -2.0
    seen = np.zeros(number, np.int64)
    found = ordered(lambda block: _nearest(everything, *block, num_neighbours), blocks, ahead=1)
    for (part, _), (nearest, nearness) in zip(blocks, found, strict=True):
        rows = part.numpy()
        columns = (seen[rows] * num_neighbours)[:, None] + np.arange(nearest.shape[1])
        others[rows[:, None], columns], cosines[rows[:, None], columns] = nearest, nearness
        seen[rows] += 1

    def pairs(start: int) -> Integers:
        block = slice(start, start + _ROWS)
        best, nearness = _best(others[block], cosines[block], num_neighbours)
        own, place = np.nonzero((nearness >= min_cosine) & (best >= 0))
        return np.sort(np.stack([own + start, best[own, place]], axis=1), axis=1)

    return unique_pairs(ordered(pairs, range(0, number, _ROWS)))


def _best(others: Numbers, cosines: Floats, number: int) -> tuple[Numbers, Floats]:
    """Of other rows `(R, M)`, of which one may stand twice, and their cosines: the nearest, `(R, number)` each."""
    order = np.lexsort((-cosines, others))
    others, cosines = np.take_along_axis(others, order, axis=1), np.take_along_axis(cosines, order, axis=1)
    again = np.zeros(others.shape, bool)
    again[:, 1:] = others[:, 1:] == others[:, :-1]
    others, cosines = np.where(again, -1, others), np.where(again, -2.0, cosines).astype(np.float32)
    order = np.lexsort((others, -cosines))[:, :number]
    return np.take_along_axis(others, order, axis=1), np.take_along_axis(cosines, order, axis=1)


def nearest_between(vectors: Floats, sides: npt.NDArray[np.bool_], num_neighbours: int, min_cosine: float = -1.0) -> Integers:
    """Pairs each row of the smaller side with the rows of the other side nearest to it, a block of rows at a time.

    Args:
        vectors: `(N, D) float32`, of unit length.
        sides: `(N,) bool`.
        num_neighbours: Pairs a row, at most.
        min_cosine: Pairs less similar than that are left out.

    Returns:
        `(P, 2) int64`: pairs of rows, the lower one first, sorted, each once.
    """
    rows, others = sorted((np.flatnonzero(sides), np.flatnonzero(~sides)), key=len)
    if not len(rows):
        return np.empty((0, 2), np.int64)
    everything, known = torch.from_numpy(np.ascontiguousarray(vectors)), torch.from_numpy(others)
    columns = everything[known].T

    def nearest(part: Integers) -> Integers:
        cosines, places = _product(everything[torch.from_numpy(part)], columns).topk(min(num_neighbours, len(others)), dim=1)
        own, place = np.nonzero(cosines.numpy() >= min_cosine)
        return np.sort(np.stack([part[own], others[places.numpy()[own, place]]], axis=1), axis=1)

    size = max(1, BLOCK_VALUES // len(others))
    found = ordered(nearest, [rows[start : start + size] for start in range(0, len(rows), size)], ahead=1)
    return unique_pairs(found)


def _nearest(vectors: Tensor, rows: Tensor, others: Tensor, num_neighbours: int) -> tuple[Numbers, Floats]:
    """The nearest of others to some rows, both sorted numbers of rows, and their cosines: `(R, K)` each."""
    there = vectors[others]
    block = _product(there if rows is others else vectors[rows], there.T)
    block[torch.arange(len(rows)), torch.searchsorted(others, rows)] = -2.0  # itself
    cosines, places = block.topk(min(num_neighbours, len(others) - 1), dim=1)
    return others[places].numpy().astype(np.int32), cosines.numpy()


class _Buffer(threading.local):
    values = torch.empty(0)


_buffer = _Buffer()


def _product(left: Tensor, right: Tensor) -> Tensor:
    """The product of two matrices, in memory that this thread's next product overwrites.

    With memory of its own for each, malloc would lay what is kept of one into what is freed of it, where the next one then does not fit;
    and as it keeps what is freed (`darkroom.system.cores`), the products of a million images would all take memory at once.
    """
    size = len(left) * right.shape[1]
    if _buffer.values.numel() < size or _buffer.values.dtype != left.dtype:
        _buffer.values = left.new_empty(size)
    return torch.mm(left, right, out=_buffer.values[:size].view(len(left), -1))


def _parts(rows: Tensor, size: int) -> list[Tensor]:
    """Rows by parts of at most so many; those that are few enough themselves."""
    return [rows] if len(rows) <= size else list(torch.split(rows, size))


def _cells(vectors: Tensor) -> list[Tensor]:
    """The rows of each cell."""
    num_cells = _CELLS * math.isqrt(len(vectors))
    centres = vectors[:num_cells]
    blocks = torch.split(vectors, max(1, BLOCK_VALUES // num_cells))
    cell = torch.cat(list(ordered(lambda block: _product(block, centres.T).topk(_OF_EACH, dim=1).indices, blocks, ahead=1))).flatten()
    order = torch.sort(cell, stable=True).indices
    rows = order // _OF_EACH
    return [part for part in torch.split(rows, torch.bincount(cell, minlength=num_cells).tolist()) if len(part) > 1]
