"""What labels are judged by: an image's vector joined with hand-made features of its thumbnails, as principal components."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from darkroom.embeddings import Embeddings
from darkroom.networks.handcrafted import hog, patterns
from darkroom.system.scratch import scratch
from darkroom.training.linear import Floats
from darkroom.training.principal_components import principal_directions
from darkroom.units import Integers

NUM_COMPONENTS = 256  # of the vectors, and of the hand-made features
NUM_SAMPLED = 4_096  # images that the directions of the components are taken from
_BATCH = 1_024  # images at once, so that memory grows by what is kept of each alone


def label_features(embeddings: Embeddings, names: Sequence[str], enlarged: npt.NDArray[np.float16] | None = None) -> Floats:
    """Describes images by at most 512 numbers each, or 768.

    Args:
        embeddings: Of these images and others.
        names: Their ids.
        enlarged: `(len(names), F)`: further vectors of them, see `enlarged_vectors`, or none.

    Returns:
        `(len(names), D) float32`: principal components of the vectors, then those of the hand-made features, then of further vectors.
    """
    rows = embeddings.rows(names)

    def vectors(chosen: Integers) -> Floats:
        return embeddings.vectors[chosen].astype(np.float32)

    def hand_made(chosen: Integers) -> Floats:
        return _hand_made(embeddings.grey[chosen], embeddings.colours[chosen])

    parts = [_Components.of(vectors, rows), _Components.of(hand_made, rows)]
    if enlarged is not None:
        parts.append(_Components.of(lambda chosen: enlarged[chosen].astype(np.float32), np.arange(len(names))))
    ends = np.cumsum([part.directions.shape[1] for part in parts])
    found = scratch((len(names), int(ends[-1])), np.float32)
    for part, columns in zip(parts, np.split(found, ends[:-1], axis=1), strict=True):
        part.write(columns)
    return found


def _hand_made(grey: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8]) -> Floats:
    """Histograms of gradients, local binary patterns and colours of thumbnails, `(N, D) float32`, each row of unit length."""
    values = torch.from_numpy(grey).to(torch.float32)[:, None]
    parts = [hog(values), patterns(values), torch.from_numpy(colours).to(torch.float32).flatten(1) / 255.0 - 0.5]
    found: Floats = F.normalize(torch.cat([F.normalize(part, dim=1) for part in parts], dim=1), dim=1).numpy()
    return found


@dataclass(frozen=True)
class _Components:
    """The principal components of features, which are computed a batch at a time.

    Attributes:
        features: The features of rows, `(n, F) float32`.
        rows: `(N,)`: of the images.
        mean: `(F,) float32`.
        directions: `(F, D) float32`.
    """

    features: Callable[[Integers], Floats]
    rows: Integers
    mean: Floats
    directions: Floats

    @classmethod
    def of(cls, features: Callable[[Integers], Floats], rows: Integers) -> "_Components":
        """The directions come from `NUM_SAMPLED` of the rows at most, evenly chosen, as ids are hashes."""
        sample = np.concatenate([features(batch) for batch in _batches(rows[:: max(1, -(-len(rows) // NUM_SAMPLED))])])
        mean = sample.mean(0, dtype=np.float64).astype(np.float32)
        return cls(features, rows, mean, principal_directions(sample - mean, NUM_COMPONENTS))

    def write(self, found: Floats) -> None:
        """Fills `(N, D) float32`."""
        start = 0
        for batch in _batches(self.rows):
            found[start : start + len(batch)] = (self.features(batch) - self.mean) @ self.directions
            start += len(batch)


def _batches(rows: Integers) -> list[Integers]:
    return np.array_split(rows, max(1, -(-len(rows) // _BATCH)))
