"""From packed images to rows of embeddings: every core decodes a batch and runs the network on it, then takes the next."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from darkroom.embeddings import make_batch
from darkroom.images import Images
from darkroom.networks.embedder import Vectors
from darkroom.pixels import UnreadableError, decode, resized
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.parallel import ordered
from darkroom.thumbnails import Thumbnails, thumbnails

Compute = Callable[[npt.NDArray[np.uint8]], Vectors]


def embed_images(
    images: Images, names: Sequence[str], compute: Compute, recipe: Recipe, batch_size: int, num_threads: int
) -> Iterator[pa.RecordBatch]:
    """Computes the rows of some images, in their order.

    All batches have one size, the last one is filled up with black: a vector must not depend on how many images there are.

    Args:
        images: The packed images.
        names: Ids of those that are to be computed.
        compute: From images `(batch_size, S, S, 3) uint8` to vectors and norms; is called on several threads at once.
        recipe: How they are resized.
        batch_size: Images at once.
        num_threads: Threads that decode and compute.

    Yields:
        Rows as `darkroom.embeddings.make_batch` makes them; images that can't be decoded have none.
    """

    def rows_of(start: int) -> pa.RecordBatch | None:
        batch = np.zeros((batch_size, recipe.side_px, recipe.side_px, 3), np.uint8)
        readable, seen = list[str](), list[Thumbnails]()
        for name in names[start : start + batch_size]:
            try:
                picture = decode(images[name], at_least_px=recipe.draft_px())
            except UnreadableError:
                continue
            batch[len(readable)] = resized(picture, recipe)
            readable.append(name)
            seen.append(thumbnails(picture))
        if not readable:
            return None
        vectors, norms = (values[: len(readable)] for values in compute(batch))
        grey, colours, signatures = zip(*seen, strict=True)
        return make_batch(readable, vectors, norms, np.stack(grey), np.stack(colours), signatures)

    for rows in ordered(rows_of, range(0, len(names), batch_size), num_threads):
        if rows is not None:
            yield rows
