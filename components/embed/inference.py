"""From packed images to rows of embeddings and scans: every core decodes a batch and runs the network on it, then takes the next."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from darkroom.embeddings import make_batch
from darkroom.images import Images
from darkroom.networks.embedder import Vectors
from darkroom.pixels import UnreadableError, decode, resized, shrunk
from darkroom.preprocessing.recipe import Recipe
from darkroom.scans import TOGETHER, Decoded, make_rows, scanned
from darkroom.system.parallel import ordered
from darkroom.thumbnails import Thumbnails, thumbnails

Compute = Callable[[npt.NDArray[np.uint8]], Vectors]


class Rows(NamedTuple):
    """What some batches of images give; images that can't be decoded have no rows.

    Attributes:
        vectors: As `darkroom.embeddings.make_batch` makes them; none where no image can be decoded.
        scans: As `darkroom.scans.make_rows` makes them, of the images of which they are wanted.
    """

    vectors: pa.RecordBatch | None
    scans: pa.RecordBatch


def embed_images(
    images: Images,
    names: Sequence[str],
    compute: Compute,
    recipe: Recipe,
    batch_size: int,
    num_threads: int,
    unscanned: Collection[str] = frozenset(),
) -> Iterator[Rows]:
    """Computes the rows of some images, in their order.

    All batches have one size, the last one is filled up with black: a vector must not depend on how many images there are.

    Args:
        images: The packed images.
        names: Ids of those that are to be computed.
        compute: From images `(batch_size, S, S, 3) uint8` to vectors and norms; is called on several threads at once.
        recipe: How they are resized.
        batch_size: Images at once.
        num_threads: Threads that decode and compute.
        unscanned: Ids of those that are to be scanned, too: a large JPEG is decoded twice for this, other files once.
    """

    def vectors_of(some: Sequence[str], scans: dict[str, Decoded]) -> pa.RecordBatch | None:
        batch, seen = np.zeros((batch_size, recipe.side_px, recipe.side_px, 3), np.uint8), dict[str, Thumbnails]()
        for name in some:
            try:
                picture = _decode(images[name], name, recipe, scans if name in unscanned else None)
            except UnreadableError:
                continue
            batch[len(seen)] = resized(picture, recipe)
            seen[name] = thumbnails(picture)
        return _vectors(batch, seen, compute)

    def rows_of(block: Sequence[str]) -> Rows:
        scans = dict[str, Decoded]()
        found = [vectors_of(block[start : start + batch_size], scans) for start in range(0, len(block), batch_size)]
        vectors = [rows for rows in found if rows is not None]
        return Rows(pa.concat_batches(vectors) if vectors else None, make_rows(list(scans), list(scans.values())))

    size = -(-TOGETHER // batch_size) * batch_size
    yield from ordered(rows_of, (names[start : start + size] for start in range(0, len(names), size)), num_threads)


def _decode(data: bytes, name: str, recipe: Recipe, scans: dict[str, Decoded] | None) -> Image.Image:
    """The picture as the recipe wants it; its scan is added where scans are wanted."""
    if scans is None:
        return decode(data, at_least_px=recipe.draft_px())
    picture = decode(data)
    scans[name] = scanned(picture)
    return shrunk(picture, data, recipe.draft_px())


def _vectors(batch: npt.NDArray[np.uint8], seen: dict[str, Thumbnails], compute: Compute) -> pa.RecordBatch | None:
    """The rows of the pictures with which a batch begins."""
    if not seen:
        return None
    vectors, norms = (values[: len(seen)] for values in compute(batch))
    grey, colours, signatures = zip(*seen.values(), strict=True)
    return make_batch(list(seen), vectors, norms, np.stack(grey), np.stack(colours), signatures)
