"""Which pairs of images may show the same: few enough to look at each, found without comparing all."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darkroom.embeddings import Embeddings
from darkroom.similarity.neighbours import nearest_between, nearest_pairs, projected
from darkroom.similarity.signatures import few_bits, similar_signatures
from darkroom.thumbnails import invariants
from darkroom.units import Integers

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


def views_of(embeddings: Embeddings, names: list[str]) -> Views:
    """The views of some images.

    Raises:
        KeyError: An image has none.
    """
    rows = embeddings.rows(names)
    return Views(embeddings.grey[rows], embeddings.signatures[rows], projected_vectors(embeddings, names), embeddings.origin.key)


def projected_vectors(embeddings: Embeddings, names: list[str]) -> npt.NDArray[np.float32]:
    """The vectors of some images, projected a block at a time: a million of them take 1 GB, and 5 GB before.

    Raises:
        KeyError: An image has none.
    """
    blocks = (names[start : start + _BLOCK] for start in range(0, max(1, len(names)), _BLOCK))
    return np.concatenate([projected(embeddings.of(block), embeddings.origin.key) for block in blocks])


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
    max_bits = few_bits(views.signatures, SIGNATURES * num_neighbours)
    found = [similar_signatures(views.signatures, max_bits), nearest_pairs(invariants(views.grey), num_neighbours, MIN_INVARIANT_COSINE)]
    if views.vectors is not None:
        found.append(nearest_pairs(views.vectors, num_neighbours, MIN_COSINE))
    return np.unique(np.concatenate(found), axis=0)


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
    return np.unique(np.concatenate(found), axis=0)
