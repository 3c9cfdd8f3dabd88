"""Which pairs of images may show the same: few enough to look at each, found without comparing all."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darkroom.embeddings import Embeddings
from darkroom.similarity.neighbours import nearest_pairs, projected
from darkroom.similarity.signatures import few_bits, similar_signatures
from darkroom.thumbnails import invariants
from darkroom.units import Integers

MIN_COSINE, MIN_INVARIANT_COSINE = 0.5, 0.6  # of vectors and of invariants: of 1,500 pairs of copies, none is below both
SIGNATURES = 4  # similar signatures that an image may have on average, for each of its neighbours


@dataclass(frozen=True)
class Views:
    """What candidates are found by: N images from afar.

    Attributes:
        grey: `(N, 32, 32) uint8`.
        signatures: `(N,) uint64`.
        vectors: `(N, D) float32`, projected; none where only thumbnails are known.
    """

    grey: npt.NDArray[np.uint8]
    signatures: npt.NDArray[np.uint64]
    vectors: npt.NDArray[np.float32] | None = None


def views_of(embeddings: Embeddings, names: list[str]) -> Views:
    """The views of some images.

    Raises:
        KeyError: An image has none.
    """
    rows = embeddings.rows(names)
    vectors = projected(embeddings.vectors[rows].astype(np.float32), embeddings.origin.key)
    return Views(embeddings.grey[rows], embeddings.signatures[rows], vectors)


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
