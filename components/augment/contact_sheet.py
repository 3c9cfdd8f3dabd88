"""The contact sheet: a picture that shows what each operation of the policy does to some training images."""

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont

from components.augment.copies import to_batch, to_picture
from darkroom import pixels
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import OPERATIONS, Operation, Policy
from darkroom.picture_info import read_info
from darkroom.preprocessing.recipe import Recipe

CELL_PX, GAP_PX, LEFT_PX, TOP_PX, MARGIN_PX = 112, 8, 150, 84, 20
NUM_DRAWN = 3
INK, PALE, PAPER = "#1c1c1c", "#6b6b6b", "#ffffff"
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
    step = CELL_PX + GAP_PX
    width = LEFT_PX + step * len(columns) + MARGIN_PX
    sheet = Image.new("RGB", (width, TOP_PX + step * len(samples) + 24 * len(notes) + 2 * MARGIN_PX), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN_PX, MARGIN_PX - 6), "What training does to its images", fill=INK, font=_font(18))
    for number, (title, strength) in enumerate(zip(columns, strengths, strict=True)):
        middle = LEFT_PX + step * number + CELL_PX // 2
        pen.text((middle, TOP_PX - 24), title, fill=INK, font=_font(14), anchor="ms")
        pen.text((middle, TOP_PX - 8), strength, fill=PALE, font=_font(12), anchor="ms")
    for row, (label, data) in enumerate(samples):
        top = TOP_PX + step * row
        pen.text((LEFT_PX - 12, top + CELL_PX // 2), _shortened(label), fill=INK, font=_font(14), anchor="rm")
        for number, cell in enumerate(_cells(policy, operations, data, seed + row)):
            sheet.paste(cell, (LEFT_PX + step * number, top))
    for number, note in enumerate(notes):
        pen.text((MARGIN_PX, TOP_PX + step * len(samples) + MARGIN_PX + 24 * number), note, fill=PALE, font=_font(14))
    return sheet


def _cells(policy: Policy, operations: Sequence[Operation], data: bytes, seed: int) -> list[Image.Image]:
    longest = max(read_info(data).size)
    picture = Image.fromarray(pixels.pixels(data, Recipe(CELL_PX if longest > CELL_PX // 2 else longest)))
    batch, generator = to_batch(picture), torch.Generator().manual_seed(seed)
    shown = [batch]
    for operation in operations:
        only = Policy(operations=(_at_full_strength(operation),))
        shown.append(apply(only, batch, generator))
    shown.extend(apply(policy, batch, generator) for _ in range(NUM_DRAWN))
    return [to_picture(one).resize((CELL_PX, CELL_PX), Image.Resampling.NEAREST) for one in shown]


def _full(operation: Operation) -> float:
    return operation.low if operation.name == "crop" else operation.high


def _at_full_strength(operation: Operation) -> Operation:
    return operation.model_copy(update={"probability": 1.0, "low": _full(operation), "high": _full(operation)})


def _strength(operation: Operation) -> str:
    if operation.name in MIRRORED:
        return ""
    return f"{_full(operation):.3g}" + ("°" if operation.name in ("rotation", "hue") else "")


def _shortened(text: str) -> str:
    return text if len(text) <= 16 else text[:15] + "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
