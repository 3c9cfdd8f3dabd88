"""Finds copies and further photographs of the same thing: candidates by vectors and thumbnails, confirmed on the pixels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.clean.config import CleanConfig
from darkroom.embeddings import Embeddings
from darkroom.images import Images
from darkroom.pixels import decode
from darkroom.similarity.candidates import Views, candidate_pairs, views_of
from darkroom.similarity.confirmation import GREY_PX, Confirmed, confirm
from darkroom.system.parallel import ordered
from darkroom.thumbnails import thumbnails
from darkroom.units import Integers

_VIEW_PX = 128  # a JPEG may be decoded at a fraction of its size that keeps so many pixels


def find_look_alikes(images: Images, names: Sequence[str], embeddings: Embeddings | None, config: CleanConfig) -> Confirmed:
    """Finds the pairs of images that show the same.

    Args:
        images: The packed images.
        names: Ids of those that are compared, all of which can be decoded.
        embeddings: Of these images and others; without any, thumbnails are made here, and copies are found by them alone.
        config: Thresholds, and how many candidates.

    Returns:
        Pairs of places in `names`, the lower one first, sorted.
    """
    views = views_of(embeddings, list(names)) if embeddings else _thumbnails(images, names)

    def pictures(rows: Integers) -> npt.NDArray[np.uint8]:
        greys = ordered(lambda row: _grey(images[names[row]]), rows)
        return np.stack([np.empty((GREY_PX, GREY_PX), np.uint8), *greys])[1:]

    pairs = candidate_pairs(views, config.num_neighbours)
    return confirm(pairs, views.grey, pictures, min(config.min_same_thing, config.min_near_duplicate), config.min_detail_share)


def _grey(data: bytes) -> npt.NDArray[np.uint8]:
    """The whole picture, squeezed to a square, `(64, 64) uint8`."""
    picture = decode(data, at_least_px=_VIEW_PX).convert("L")
    return np.asarray(picture.resize((GREY_PX, GREY_PX), Image.Resampling.LANCZOS))


def _thumbnails(images: Images, names: Sequence[str]) -> Views:
    seen = list(ordered(lambda name: thumbnails(decode(images[name], at_least_px=_VIEW_PX)), names))
    return Views(np.stack([one.grey for one in seen]), np.array([one.signature for one in seen], np.uint64))
