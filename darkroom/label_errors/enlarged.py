"""Vectors of small pictures: enlarged, they mean something to a pretrained network, which hand-made features of them do not reach."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from darkroom.embeddings import ENLARGED, Embeddings, Origin, make_batch
from darkroom.images import Images
from darkroom.networks.backbones import backbone_of
from darkroom.networks.embedder import Place, choose_place, embedder
from darkroom.networks.pretrained import Backbone
from darkroom.pixels import pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.parallel import ordered
from darkroom.system.scratch import scratch
from darkroom.training import devices
from darkroom.vector_store import VectorStore, damage_told

_BATCH_SIZES = {"cpu": 8, "cuda": 256}


def enlarged_vectors(
    images: Images, embeddings: Embeddings, names: Sequence[str], backbone: str, side_px: int, store: Path | None = None
) -> tuple[npt.NDArray[np.float16], list[str]]:
    """Runs a packaged network over whole pictures, brought to a side that is smaller than its own, so that it takes less time.

    Args:
        images: The packed images.
        embeddings: Of these images, with their thumbnails, which a store keeps beside vectors.
        names: Ids of those that are wanted; all can be decoded.
        backbone: `lite0`, `lite1` or `lite2`.
        side_px: To which pictures are resized.
        store: A folder in which vectors are kept from run to run, or none.

    Returns:
        `(len(names), D) float16`, of unit length, in the order of the names; each depends on its own picture alone. And what is to be
        said of damaged shards of the store.

    Raises:
        InputError: The store can't be written.
    """
    network, place = replace(backbone_of(backbone), recipe=Recipe(side_px, "bicubic")), choose_place("auto", "float32")
    origin = Origin(backbone, network.weights_sha256, ENLARGED, network.recipe, place.precision, place.device, network.num_features)
    found, start = scratch((len(names), network.num_features), np.float16), 0
    with contextlib.ExitStack() as stack:
        root = store or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-")))
        kept = VectorStore(root, origin, names)
        missing = [name for name in names if name not in kept]
        shown = embeddings.rows(missing)
        for block, vectors, norms in _computed(images, missing, network, place):
            rows = shown[block]
            looks = embeddings.grey[rows], embeddings.colours[rows], embeddings.signatures[rows].tolist()
            kept.add(make_batch(missing[block], vectors, norms, *looks))
        kept.flush()
        for batch in kept.rows(names):
            found[start : start + batch.num_rows] = batch.column("vector").flatten().to_numpy().reshape(batch.num_rows, -1)
            start += batch.num_rows
    return found, damage_told(kept)


def _computed(
    images: Images, names: Sequence[str], network: Backbone, place: Place
) -> Iterator[tuple[slice, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Vectors of unit length and their lengths before, of a few images after the other."""
    compute, size, recipe = embedder(network, place), _BATCH_SIZES[place.device], network.recipe

    def vectors(some: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        # always as many, as what is beside a picture must change nothing
        batch = np.zeros((size, recipe.side_px, recipe.side_px, 3), np.uint8)
        for number, name in enumerate(some):
            batch[number] = pixels(images[name], recipe)
        made, norms = compute(batch)
        return made[: len(some)], norms[: len(some)]

    blocks = [slice(start, start + size) for start in range(0, len(names), size)]
    with devices.threads(1):  # of torch: the threads that call it are as many as there are cores
        for block, (made, norms) in zip(blocks, ordered(lambda block: vectors(names[block]), blocks), strict=True):
            yield block, made, norms
