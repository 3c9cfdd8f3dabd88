"""The sheet of corrections: a few training images before them, and after each."""

from dataclasses import replace

import numpy as np
from PIL import Image

from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.picture_grid import picture_grid
from darkroom.pixels import pixels
from darkroom.preprocessing.recipe import Recipe

NUM_ROWS = 6


def correction_sheet(packed: Images, training: Manifest, recipe: Recipe) -> Image.Image | None:
    """Draws a row for each of some training images; none where nothing is corrected.

    Args:
        packed: Images, copies included.
        training: The rows of the training split; copies are not shown.
        recipe: How they are made a network's input.
    """
    wanted = recipe.corrections
    if not wanted.names:
        return None
    own = np.flatnonzero(~np.array(training.is_copy, bool))
    chosen = own[np.linspace(0, len(own) - 1, min(len(own), NUM_ROWS)).round().astype(np.int64)]
    names, labels = training.column("image_id"), training.label_lists()
    stages = [replace(recipe, corrections=wanted.up_to(number)) for number in range(len(wanted.names) + 1)]
    columns = [("resized", f"{recipe.side_px} px"), *((name, _detail(getattr(wanted, name))) for name in wanted.names)]
    rows = [(", ".join(labels[row]), [Image.fromarray(pixels(packed[names[row]], stage)) for stage in stages]) for row in chosen.tolist()]
    return picture_grid("What corrections do to images, one after the other", columns, rows)


def _detail(value: str | float) -> str:
    return value.replace("_", " ") if isinstance(value, str) else f"{value:g}"
