"""Neighbours that are nearer than different things of a class are to each other.

Around an image the others of its class thin out at some rate, the number of dimensions d in which they spread: how many there are within
a distance r grows as r to the power of d. The farther neighbours tell d; a near one is suspicious where it is much nearer than they let
expect. So nobody has to know which images show the same, and a dense region of a class is no leak.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darkroom.units import Integers

SCALES = (5, 10, 20, 40, 80, 160, 320)  # k: near neighbours are compared with the k-th, whatever number of images shows one thing
RING = 3  # neighbours from the k-th to the RING * k-th say in how many dimensions the images spread
MAX_NEAR = 32  # suspicious neighbours of an image that are named
_ROWS, _OTHERS = 4_096, 32_768  # images that are compared at once with so many others at most, whose vectors are in memory then
_COSINES = 2**24  # at once at most, 64 MiB, of which there are about four copies
_LEAST = 1e-6  # distance; float16 vectors of one picture differ by as much

Floats = npt.NDArray[np.float32]


class Vectors(Protocol):
    """Vectors `(M, D) float32` of which some are had at a time: an array, or what reads them."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Floats: ...


class Suspicious(NamedTuple):
    """Pairs of images that are too near to each other to show different things.

    Attributes:
        pairs: `(P, 2) int64`: an image, and its neighbour among the others; by image, the nearest first.
        cosines: `(P,) float64`.
    """

    pairs: Integers
    cosines: npt.NDArray[np.float64]


def suspicious_neighbours(
    vectors: Vectors, others: Vectors, labels: Floats, other_labels: Floats, quantile: float, *, themselves: bool = False
) -> Suspicious:
    """Finds the suspicious ones among the neighbours of each image that share a label with it.

    Args:
        vectors: `(N, D) float32`, of unit length.
        others: `(M, D) float32`, the same of those among which neighbours are looked for.
        labels: `(N, K) float32` of 0 and 1.
        other_labels: `(M, K) float32` of 0 and 1.
        quantile: Share of images without one where all show different things, 0 to 1.
        themselves: The others are the very images, of which none is a neighbour of itself.

    Source:
        Levina, Bickel: Maximum likelihood estimation of intrinsic dimension, 2004; the share of the volume up to the k-th neighbour that
        lies within the nearest one is the smallest of k - 1 uniform numbers.
    """
    if not len(vectors) or not len(others):
        return Suspicious(np.empty((0, 2), np.int64), np.empty(0))
    found = list(_blocks(vectors, others, labels, other_labels, themselves=themselves))
    cosines, places, edges, spreads = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    limits = _limits(edges.astype(np.float64), spreads.astype(np.float64), quantile)
    rows, near = np.nonzero(np.log(np.maximum(1 - cosines, _LEAST)) < limits[:, None])
    return Suspicious(np.stack([rows, places[rows, near]], axis=1).astype(np.int64), cosines[rows, near].astype(np.float64))


def _blocks(
    vectors: Vectors, others: Vectors, labels: Floats, other_labels: Floats, *, themselves: bool
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Of some images at a time: cosines and places of the nearest; and for each scale k, NaN where there are fewer than RING * k
    neighbours, the logarithm of the distance of the k-th, and by how much those of the next ones up to the last are below the last's."""
    for start in range(0, len(vectors), _ROWS):
        block, shown = (torch.from_numpy(part[start : start + _ROWS]) for part in (vectors, labels))
        cosines, places, counts = _nearest(block, shown, others, other_labels, start if themselves else None)
        logs = (1 - cosines).clamp(min=_LEAST).log()
        edges, spreads = torch.full((2, len(block), len(SCALES)), torch.nan)
        for column, k in enumerate(SCALES):
            rows = torch.nonzero(counts >= RING * k)[:, 0]
            if len(rows):
                edges[rows, column] = logs[rows, k - 1]
                spreads[rows, column] = (logs[rows, RING * k - 1 : RING * k] - logs[rows, k - 1 : RING * k - 1]).mean(1)
        yield cosines[:, :MAX_NEAR], places[:, :MAX_NEAR], edges, spreads


def _nearest(vectors: Tensor, labels: Tensor, others: Vectors, other_labels: Floats, first: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines and places of the nearest that share a label with each image, `(N, RING * SCALES[-1])` each; and how many share one, `(N,)`.

    Args:
        vectors: `(N, D) float32`.
        labels: `(N, K) float32`.
        others: `(M, D) float32`.
        other_labels: `(M, K) float32`.
        first: The place of the first image among the others where these are the very images.
    """
    number, size = min(len(others), RING * SCALES[-1]), min(_OTHERS, max(1, _COSINES // len(vectors)))
    cosines, places = torch.empty(len(vectors), 0), torch.empty(len(vectors), 0, dtype=torch.int64)
    counts = torch.zeros(len(vectors), dtype=torch.int64)
    for start in range(0, len(others), size):
        block = vectors @ torch.from_numpy(others[start : start + size]).T
        shared = labels @ torch.from_numpy(other_labels[start : start + size]).T > 0
        if first is not None:
            begin, end = max(first, start), min(first + len(vectors), start + block.shape[1])
            itself = torch.arange(begin, max(begin, end))
            shared[itself - first, itself - start] = False
        counts += shared.sum(1)
        known = cosines.shape[1]
        found = torch.cat([cosines, block.masked_fill_(~shared, -1.0)], dim=1)
        cosines, best = found.topk(min(number, found.shape[1]), dim=1)
        earlier = torch.cat([places, places.new_zeros(len(vectors), 1)], dim=1).gather(1, best.clamp(max=known))
        places = torch.where(best < known, earlier, best - known + start)
    return cosines, places, counts


def _limits(edges: npt.NDArray[np.float64], spreads: npt.NDArray[np.float64], quantile: float) -> npt.NDArray[np.float64]:
    """The logarithm of the distance below which a neighbour of each image is suspicious, `(N,)`; none is where there are too few."""
    judged = ~np.isnan(edges)
    limits = np.full(edges.shape, -np.inf)
    for column in np.flatnonzero(judged.any(0)).tolist():
        k, rows = SCALES[column], judged[:, column]
        chance = 1 - quantile ** (1 / judged.any(0).sum() / (k - 1))  # that one of k - 1 neighbours lies in so small a share of the volume
        expected = np.log(RING * k / np.arange(k, RING * k)).mean()
        dimensions = expected / max(float(np.median(spreads[rows, column])), _LEAST)
        limits[rows, column] = edges[rows, column] + np.log(chance) / dimensions
    found: npt.NDArray[np.float64] = limits.max(1)
    return found
