"""What labels are judged by: an image's vector joined with hand-made features of its thumbnails, as principal components."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from darkroom.embeddings import Embeddings
from darkroom.networks.handcrafted import hog, patterns
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

    parts = [_components(vectors, rows), _components(hand_made, rows)]
    if enlarged is not None:
        parts.append(_components(lambda chosen: enlarged[chosen].astype(np.float32), np.arange(len(names))))
    return np.hstack(parts)


def _hand_made(grey: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8]) -> Floats:
    """Histograms of gradients, local binary patterns and colours of thumbnails, `(N, D) float32`, each row of unit length."""
    values = torch.from_numpy(grey).to(torch.float32)[:, None]
    parts = [hog(values), patterns(values), torch.from_numpy(colours).to(torch.float32).flatten(1) / 255.0 - 0.5]
    found: Floats = F.normalize(torch.cat([F.normalize(part, dim=1) for part in parts], dim=1), dim=1).numpy()
    return found


def _components(features: Callable[[Integers], Floats], rows: Integers) -> Floats:
    """The principal components of features, which are computed a batch at a time, `(N, D) float32`.

    Args:
        features: The features of rows, `(n, F) float32`.
        rows: `(N,)`: at most `NUM_SAMPLED` of them, evenly chosen (ids are hashes), give the directions.
    """
    sample = features(rows[:: max(1, -(-len(rows) // NUM_SAMPLED))])
    mean = sample.mean(0, dtype=np.float64).astype(np.float32)
    directions = principal_directions(sample - mean, NUM_COMPONENTS)
    batches = np.array_split(rows, max(1, -(-len(rows) // _BATCH)))
    return np.concatenate([(features(batch) - mean) @ directions for batch in batches])
