"""Vectors of small pictures: enlarged, they mean something to a pretrained network, which hand-made features of them do not reach."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from darkroom.images import Images
from darkroom.networks.backbones import backbone_of
from darkroom.networks.embedder import choose_place, embedder
from darkroom.pixels import pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.parallel import ordered
from darkroom.system.scratch import scratch
from darkroom.training import devices

_BATCH_SIZES = {"cpu": 8, "cuda": 256}


def enlarged_vectors(images: Images, names: Sequence[str], backbone: str, side_px: int) -> npt.NDArray[np.float16]:
    """Runs a packaged network over whole pictures, brought to a side that is smaller than its own, so that it takes less time.

    Args:
        images: The packed images.
        names: Ids of those that are wanted; all can be decoded.
        backbone: `lite0`, `lite1` or `lite2`.
        side_px: To which pictures are resized.

    Returns:
        `(len(names), D) float16`, of unit length, in the order of the names; each depends on its own picture alone.
    """
    recipe = Recipe(side_px, "bicubic")
    network, place = replace(backbone_of(backbone), recipe=recipe), choose_place("auto", "float32")
    compute, size = embedder(network, place), _BATCH_SIZES[place.device]

    def vectors(some: Sequence[str]) -> npt.NDArray[np.float16]:
        batch = np.zeros((size, side_px, side_px, 3), np.uint8)  # always as large, as what is beside a picture must change nothing
        for number, name in enumerate(some):
            batch[number] = pixels(images[name], recipe)
        return compute(batch)[0][: len(some)].astype(np.float16)

    found = scratch((len(names), network.num_features), np.float16)
    blocks = [slice(start, start + size) for start in range(0, len(names), size)]
    with devices.threads(1):  # of torch: the threads that call it are as many as there are cores
        for block, some in zip(blocks, ordered(lambda block: vectors(names[block]), blocks), strict=True):
            found[block] = some
    return found
