"""Which pairs of images may show the same: few enough to look at each, found without comparing all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from darkroom.embeddings import Embeddings
from darkroom.similarity.neighbours import MAX_FEATURES, nearest_between, nearest_pairs, projected
from darkroom.similarity.signatures import few_bits, similar_signatures
from darkroom.system.parallel import ordered
from darkroom.system.scratch import scratch, taken
from darkroom.thumbnails import invariants
from darkroom.units import Integers, unique_pairs

MIN_COSINE, MIN_INVARIANT_COSINE = 0.5, 0.6  # of vectors and of invariants: of 1,500 pairs of copies, none is below both
SIGNATURES = 4  # similar signatures that an image may have on average, for each of its neighbours
_BLOCK = 4096  # images


@dataclass(frozen=True)
class Views:
    """What candidates are found by: N images from afar.

    Attributes:
        grey: `(N, 32, 32) uint8`.
        signatures: `(N,) uint64`.
        vectors: `(N, D) float32`, projected; none where only thumbnails are known.
        origin: Of the vectors: those of another one can't be compared with them.
    """

    grey: npt.NDArray[np.uint8]
    signatures: npt.NDArray[np.uint64]
    vectors: npt.NDArray[np.float32] | None = None
    origin: str = ""

    def __len__(self) -> int:
        return len(self.grey)


class Projection:
    """The vectors of embeddings, each projected once, whoever compares it: a million of them take 1 GB, and 5 GB before.

    Args:
        embeddings: Theirs; a vector is read when it is first asked for.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        self.embeddings = embeddings
        self._known = np.zeros(len(embeddings), bool)

    def __contains__(self, name: object) -> bool:
        return name in self.embeddings

    def of(self, names: Iterable[str]) -> npt.NDArray[np.float32]:
        """The projected vectors of some images, `(len(names), D) float32`.

        Raises:
            KeyError: An image has none.
        """
        rows = self.embeddings.rows(names)
        new = np.unique(rows[~self._known[rows]])
        blocks = [new[start : start + _BLOCK] for start in range(0, len(new), _BLOCK)]
        for block, found in zip(blocks, ordered(self._projected, blocks, ahead=1), strict=True):
            self._vectors[block] = found
        self._known[new] = True
        return taken(self._vectors, rows)

    def _projected(self, rows: Integers) -> npt.NDArray[np.float32]:
        known = torch.from_numpy(self.embeddings.vectors[rows])
        return projected(known.float().numpy(), self.embeddings.origin.key)  # NumPy takes seven times as long to convert

    @cached_property
    def _vectors(self) -> npt.NDArray[np.float32]:
        """`(N, D) float32`: those that are not known yet are zeros."""
        return scratch((len(self.embeddings), min(self.embeddings.origin.num_features, MAX_FEATURES)), np.float32)


def views_of(vectors: Projection, names: list[str]) -> Views:
    """The views of some images.

    Raises:
        KeyError: An image has none.
    """
    embeddings = vectors.embeddings
    rows = embeddings.rows(names)
    return Views(taken(embeddings.grey, rows), embeddings.signatures[rows], vectors.of(names), embeddings.origin.key)


def joined_views(first: Views, second: Views) -> Views:
    """The views of both, with vectors where both have some of one origin."""
    comparable = first.vectors is not None and second.vectors is not None and first.origin == second.origin
    vectors = np.concatenate([first.vectors, second.vectors]) if comparable else None
    grey, signatures = (np.concatenate([getattr(one, name) for one in (first, second)]) for name in ("grey", "signatures"))
    return Views(grey, signatures, vectors, first.origin if comparable else "")


def candidate_pairs(views: Views, num_neighbours: int) -> Integers:
    """Pairs of similar signatures, and each image with its nearest neighbours by its vector and by the invariants of its thumbnail.

    Args:
        views: Of N images.
        num_neighbours: Of each image, by each of the two.

    Returns:
        `(P, 2) int64`: pairs of rows, the lower one first, sorted, each once.
    """
    return unique_pairs(_candidates(views, num_neighbours))


def _candidates(views: Views, num_neighbours: int) -> Iterator[Integers]:
    yield similar_signatures(views.signatures, few_bits(views.signatures, SIGNATURES * num_neighbours))
    yield nearest_pairs(invariants(views.grey), num_neighbours, MIN_INVARIANT_COSINE)
    if views.vectors is not None:
        yield nearest_pairs(views.vectors, num_neighbours, MIN_COSINE)


def candidates_between(views: Views, sides: npt.NDArray[np.bool_], num_neighbours: int) -> Integers:
    """As `candidate_pairs`, only pairs of which one image is on each side: of either, the nearest on the other are looked for.

    Args:
        views: Of N images.
        sides: `(N,) bool`.
        num_neighbours: Of each image, by each of the two.
    """
    max_bits = few_bits(views.signatures, SIGNATURES * num_neighbours)
    alike = similar_signatures(views.signatures, max_bits)
    by_thumbnail = nearest_between(invariants(views.grey), sides, num_neighbours, MIN_INVARIANT_COSINE)
    found = [alike[sides[alike[:, 0]] != sides[alike[:, 1]]], by_thumbnail]
    if views.vectors is not None:
        found.append(nearest_between(views.vectors, sides, num_neighbours, MIN_COSINE))
    return unique_pairs(found)
