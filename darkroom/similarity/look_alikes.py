"""Finds copies and further photographs of the same thing: candidates by vectors and thumbnails, confirmed on the pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from darkroom.images import Images
from darkroom.pixels import decode
from darkroom.similarity.candidates import Projection, Views, candidate_pairs, candidates_between, joined_views, views_of
from darkroom.similarity.confirmation import Confirmed, confirm
from darkroom.similarity.levels import MIN_CLOSE_UP, MIN_DETAIL_SHARE, NUM_NEIGHBOURS, SAME_THING
from darkroom.similarity.still_camera import same_in_front
from darkroom.system.mapped import hand_back
from darkroom.system.parallel import ordered
from darkroom.system.scratch import scratch
from darkroom.thumbnails import thumbnails
from darkroom.units import Integers

_DECODED = 16  # pictures that a thread decodes before it hands them over
_VIEW_PX = 128  # a JPEG may be decoded at a fraction of its size that keeps so many pixels


@dataclass(frozen=True)
class Seen:
    """Images that are compared.

    Attributes:
        views: What they look like from afar.
        read: Gives the file of an image by its row.
    """

    views: Views
    read: Callable[[int], bytes]


def see(images: Images, names: Sequence[str], vectors: Projection | None) -> Seen:
    """Prepares images for the comparison.

    Args:
        images: The packed images.
        names: Ids of those that are compared, all of which can be decoded.
        vectors: Of these images and others; without any, thumbnails are made here, and copies are found by them alone.
    """
    return Seen(views_of(vectors, list(names)) if vectors else _thumbnails(images, names), lambda row: images[names[row]])


def join(first: Seen, second: Seen) -> Seen:
    """The images of both, those of the second below."""
    number = len(first.views)
    return Seen(joined_views(first.views, second.views), lambda row: first.read(row) if row < number else second.read(row - number))


def find_look_alikes(
    seen: Seen,
    min_correlation: float = SAME_THING,
    num_neighbours: int = NUM_NEIGHBOURS,
    min_detail_share: float = MIN_DETAIL_SHARE,
    sides: npt.NDArray[np.bool_] | None = None,
    min_close_up: float = MIN_CLOSE_UP,
) -> Confirmed:
    """Finds the pairs of images that show the same.

    Args:
        seen: N images.
        min_correlation: Of the details of two aligned pictures, from which on they do.
        num_neighbours: Nearest images that each is compared with.
        min_detail_share: Share of two pictures that must have details.
        sides: `(N,) bool`: only pairs of which one image is true and the other false are wanted; all where there are none.
        min_close_up: Correlation of corners and texture close up, from which on not only the outlines agree.

    Returns:
        Pairs of rows, the lower one first, sorted.
    """

    def pictures(rows: Integers, side_px: int) -> npt.NDArray[np.uint8]:
        shown = scratch((len(rows), side_px, side_px), np.uint8)
        blocks = [slice(start, start + _DECODED) for start in range(0, len(rows), _DECODED)]
        read = ordered(lambda block: [_grey(seen.read(int(row)), side_px) for row in rows[block]], blocks)
        for block, grey in zip(blocks, read, strict=True):
            shown[block] = grey
        return shown

    found = candidate_pairs(seen.views, num_neighbours) if sides is None else candidates_between(seen.views, sides, num_neighbours)
    hand_back()
    return same_in_front(confirm(found, seen.views.grey, pictures, min_correlation, min_detail_share, min_close_up), pictures)


def _grey(data: bytes, side_px: int) -> npt.NDArray[np.uint8]:
    """The whole picture, squeezed to a square."""
    picture = decode(data, at_least_px=_VIEW_PX).convert("L")
    return np.asarray(picture.resize((side_px, side_px), Image.Resampling.LANCZOS))


def _thumbnails(images: Images, names: Sequence[str]) -> Views:
    seen = list(ordered(lambda name: thumbnails(decode(images[name], at_least_px=_VIEW_PX)), names))
    return Views(np.stack([one.grey for one in seen]), np.array([one.signature for one in seen], np.uint64))
