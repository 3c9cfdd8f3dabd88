"""How far an image is from its class and from all images, by the vectors: what is off topic has none near it, of its class or another.

A garment with a loud pattern is far from most of its class, and not from all that was photographed there.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from darkroom.similarity.candidates import Projection
from darkroom.system.parallel import ordered
from darkroom.units import Integers

MAX_REFERENCE = 2000  # images of a class that others are compared with
_NEAREST = 0.1  # share of these that must be near: a few foreign images of one kind do not hide each other
_NEARBY, _FEW = 0.005, 5  # share and least number of all images that must be near
_BLOCK = 1024

Floats = npt.NDArray[np.float32]


def class_distances(vectors: Projection, names: list[str], classes: Mapping[str, Integers]) -> Floats:
    """The distance of each image within which a tenth of its class are; of the nearest class, where it has several.

    Args:
        vectors: Of these images and others.
        names: The images' ids.
        classes: The rows of each class, in `names`. The first by id stand for a large class: ids are hashes, so these are a fair sample.

    Returns:
        `(N,) float32`: 1 - cosine, 0 to 2; NaN of images without a vector or a label, and of the only image of a class.
    """
    found = np.full(len(names), np.nan, np.float32)
    for rows in classes.values():
        members = np.array(sorted((row for row in rows.tolist() if names[row] in vectors), key=names.__getitem__), np.int64)
        if len(members) > 1:
            own = vectors.of(names[row] for row in members.tolist())
            found[members] = np.fmin(found[members], _distances(own, _NEAREST))
    return found


def nearby_distances(vectors: Projection, names: list[str]) -> Floats:
    """The distance of each image within which a few others of all classes are.

    Args:
        vectors: Of these images and others.
        names: The images' ids. The first ones stand for many, as in `class_distances`.

    Returns:
        `(N,) float32`: 1 - cosine, 0 to 2; NaN of images without a vector, and of a single image.
    """
    found = np.full(len(names), np.nan, np.float32)
    rows = np.array(sorted((row for row, name in enumerate(names) if name in vectors), key=names.__getitem__), np.int64)
    if len(rows) > 1:
        found[rows] = _distances(vectors.of(names[row] for row in rows.tolist()), _NEARBY, _FEW)
    return found


def _distances(vectors: Floats, share: float, least: int = 1) -> Floats:
    """Distance of each row within which a share of the first rows, and at least so many, are, itself left out: `(N,)`."""
    reference = vectors[:MAX_REFERENCE]
    number = min(len(reference) - 1, max(least, int(np.ceil(share * len(reference)))))

    def within(start: int) -> Floats:
        cosines = vectors[start : start + _BLOCK] @ reference.T
        itself = np.arange(start, min(start + len(cosines), len(reference)))
        cosines[itself - start, itself] = -1.0
        nearest = torch.from_numpy(cosines).topk(number, dim=1, sorted=False).values  # in half the time of NumPy's partition
        return np.asarray(1 - nearest.amin(1).numpy(), np.float32)

    return np.concatenate(list(ordered(within, range(0, len(vectors), _BLOCK), ahead=1)))
