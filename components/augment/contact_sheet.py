"""The contact sheet: a picture that shows what each operation of the policy does to some training images."""

from collections.abc import Sequence

import torch
from PIL import Image

from components.augment.copies import to_batch, to_picture
from darkroom import pixels
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import OPERATIONS, Operation, Policy
from darkroom.picture_grid import CELL_PX, picture_grid
from darkroom.preprocessing.recipe import Recipe

NUM_DRAWN = 3
MIRRORED = ("horizontal_flip", "vertical_flip")


def draw(policy: Policy, samples: Sequence[tuple[str, bytes]], notes: Sequence[str], seed: int) -> Image.Image:
    """Draws a row for each sample: the original, each operation at full strength, and examples as training draws them.

    Args:
        policy: The operations to show.
        samples: Label and file of each image.
        notes: Lines at the bottom.
        seed: Decides what is drawn.
    """
    operations = [found for name in OPERATIONS if (found := policy.get(name))]
    columns = ["original", *(operation.name.replace("_", " ") for operation in operations), *["in training"] * NUM_DRAWN]
    strengths = ["", *(_strength(operation) for operation in operations), *(f"draw {number + 1}" for number in range(NUM_DRAWN))]
    rows = [(label, _cells(policy, operations, data, seed + row)) for row, (label, data) in enumerate(samples)]
    return picture_grid("What training does to its images", list(zip(columns, strengths, strict=True)), rows, notes)


def _cells(policy: Policy, operations: Sequence[Operation], data: bytes, seed: int) -> list[Image.Image]:
    longest = max(pixels.size(data))
    picture = Image.fromarray(pixels.pixels(data, Recipe(CELL_PX if longest > CELL_PX // 2 else longest)))
    batch, generator = to_batch(picture), torch.Generator().manual_seed(seed)
    shown = [batch]
    for operation in operations:
        only = Policy(operations=(_at_full_strength(operation),))
        shown.append(apply(only, batch, generator))
    shown.extend(apply(policy, batch, generator) for _ in range(NUM_DRAWN))
    return [to_picture(one) for one in shown]


def _full(operation: Operation) -> float:
    return operation.low if operation.name == "crop" else operation.high


def _at_full_strength(operation: Operation) -> Operation:
    return operation.model_copy(update={"probability": 1.0, "low": _full(operation), "high": _full(operation)})


def _strength(operation: Operation) -> str:
    if operation.name in MIRRORED:
        return ""
    return f"{_full(operation):.3g}" + ("°" if operation.name in ("rotation", "hue") else "")
