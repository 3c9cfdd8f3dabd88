"""Principal components of feature vectors, for models that can't look at all features of many vectors in the time they have."""

import dataclasses

import numpy as np
import numpy.typing as npt

from darkroom.networks.head_graph import HeadGraph
from darkroom.training.linear import Floats

MAX_NUMBERS = 8_000_000  # of vectors times features, above which trees and neighbours see principal components
NUM_COMPONENTS = 128
NUM_SAMPLES = 20_000  # vectors that the principal components are taken from


@dataclasses.dataclass(frozen=True)
class Components:
    """What trees and neighbours see of vectors: all of it, or where that is too much, its principal components.

    Attributes:
        num_features: Of a vector, or how many components.
        mean: `(D,) float64`, or nothing where all is seen.
        directions: `(P, D) float64`, or nothing.
        num_sampled: Vectors that the components were taken from.
    """

    num_features: int
    mean: npt.NDArray[np.float64] | None = None
    directions: npt.NDArray[np.float64] | None = None
    num_sampled: int = 0

    @classmethod
    def of(cls, vectors: Floats, seed: int) -> "Components":
        """All of some vectors where they are few enough."""
        num_vectors, num_features = vectors.shape
        if vectors.size <= MAX_NUMBERS or num_features <= NUM_COMPONENTS:
            return cls(num_features)
        number = min(num_vectors, NUM_SAMPLES)
        sample = vectors[np.random.default_rng(seed).choice(num_vectors, number, replace=False)]
        mean = sample.mean(0, dtype=np.float64)
        centred = sample - mean.astype(np.float32)
        directions = principal_directions(centred, NUM_COMPONENTS).T.astype(np.float64)
        return cls(len(directions), mean, np.ascontiguousarray(directions), number)

    def __call__(self, vectors: Floats) -> Floats:
        """What is seen of vectors, `(N, num_features) float32`."""
        if self.mean is None or self.directions is None:
            return vectors
        parts = np.array_split(vectors, max(1, len(vectors) // 4096))
        return np.concatenate([((part.astype(np.float64) - self.mean) @ self.directions.T).astype(np.float32) for part in parts])

    def placed(self, graph: HeadGraph) -> str:
        """The same in a graph."""
        return graph.vectors if self.mean is None or self.directions is None else graph.project(graph.vectors, self.mean, self.directions)

    def notes(self, family: str) -> tuple[str, ...]:
        """That it is not all of them."""
        if self.directions is None:
            return ()
        num_features = self.directions.shape[1]
        return (
            f"{family}: it sees {self.num_features} principal components (of {self.num_sampled:,} vectors) of {num_features:,} features",
        )


def reduced(vectors: Floats, number: int, num_sampled: int = NUM_SAMPLES) -> Floats:
    """The largest principal components of vectors, `(N, number) float32`; vectors of no more features as they are.

    Args:
        vectors: `(N, D) float32`.
        number: Of components, at most.
        num_sampled: The first vectors that the directions are taken from.
    """
    if vectors.shape[1] <= number:
        return vectors
    mean = vectors[:num_sampled].mean(0)
    found: Floats = (vectors - mean) @ principal_directions(vectors[:num_sampled] - mean, number)
    return found


def principal_directions(centred: Floats, number: int) -> Floats:
    """The directions in which vectors vary most, from the smaller matrix of products.

    Args:
        centred: `(N, F) float32`, of mean 0.
        number: Of directions, at most; what hardly varies is none.

    Returns:
        `(F, D) float32`, of unit length, the largest first.
    """
    from scipy.linalg import eigh  # takes a tenth of a second to import

    num_vectors, num_features = centred.shape
    products = centred @ centred.T if num_vectors < num_features else centred.T @ centred
    last = len(products) - 1
    sizes, found = eigh(products.astype(np.float64), subset_by_index=(max(0, last + 1 - number), last))
    varying = sizes > 1e-6 * max(float(sizes[-1]), 1e-12)
    directions = found[:, varying].astype(np.float32)
    if num_vectors < num_features:
        directions = centred.T @ (directions / np.sqrt(sizes[varying]).astype(np.float32))
    return np.ascontiguousarray(directions[:, ::-1])
