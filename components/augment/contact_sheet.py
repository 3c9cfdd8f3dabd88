"""The contact sheet: a picture that shows what each operation of the policy does to some training images."""

from collections.abc import Sequence

import torch
from PIL import Image

from components.augment.copies import to_batch, to_picture
from darkroom import pixels
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import OPERATIONS, WITHOUT_STRENGTH, Operation, Policy
from darkroom.picture_grid import CELL_PX, picture_grid
from darkroom.picture_info import read_info
from darkroom.preprocessing.recipe import Recipe

NUM_DRAWN = 3
STRONGEST_LOW = ("crop", "posterize", "solarize", "jpeg")
FORMATS = {"rotation": "{:.3g}°", "hue": "{:.3g}°", "posterize": "{:.0f} bits", "jpeg": "quality {:.0f}"}


def draw(policy: Policy, samples: Sequence[tuple[str, bytes]], notes: Sequence[str], seed: int) -> Image.Image:
    """Draws a row for each sample: the original, each operation at full strength, and examples as training draws them.

    Args:
        policy: The operations to show.
        samples: Label and file of each image.
        notes: Lines at the bottom.
        seed: Decides what is drawn.
    """
    operations = [found for name in OPERATIONS for found in policy.all_operations if found.name == name and found.probability > 0]
    titles = [("original", ""), *((one.name.replace("_", "\n"), _strength(one)) for one in operations)]
    titles += [("in\ntraining", f"draw {number + 1}") for number in range(NUM_DRAWN)]
    rows = [(label, _cells(policy, operations, data, seed + row)) for row, (label, data) in enumerate(samples)]
    return picture_grid("What training does to its images", titles, rows, notes)


def _cells(policy: Policy, operations: Sequence[Operation], data: bytes, seed: int) -> list[Image.Image]:
    longest = max(read_info(data).size)
    picture = Image.fromarray(pixels.pixels(data, Recipe(CELL_PX if longest > CELL_PX // 2 else longest)))
    batch, generator = to_batch(picture), torch.Generator().manual_seed(seed)
    shown = [batch]
    for operation in operations:
        only = Policy(operations=(_at_full_strength(operation),))
        shown.append(apply(only, batch, generator))
    shown.extend(apply(policy, batch, generator) for _ in range(NUM_DRAWN))
    return [to_picture(one) for one in shown]


def _full(operation: Operation) -> float:
    return operation.low if operation.name in STRONGEST_LOW else operation.high


def _at_full_strength(operation: Operation) -> Operation:
    return operation.model_copy(update={"probability": 1.0, "low": _full(operation), "high": _full(operation)})


def _strength(operation: Operation) -> str:
    return "" if operation.name in WITHOUT_STRENGTH else FORMATS.get(operation.name, "{:.3g}").format(_full(operation))
