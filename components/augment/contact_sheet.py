"""The contact sheet: a picture that shows what each operation of the policy does to some training images."""

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont

from components.augment.copies import to_batch, to_picture
from darkroom import pixels
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import OPERATIONS, WITHOUT_STRENGTH, Operation, Policy
from darkroom.preprocessing.recipe import Recipe

CELL_PX, GAP_PX, LEFT_PX, TOP_PX, MARGIN_PX = 112, 8, 140, 98, 20
STEP_PX = CELL_PX + GAP_PX
NUM_DRAWN, NUM_COLUMNS = 3, 12
INK, PALE, PAPER = "#1c1c1c", "#6b6b6b", "#ffffff"
STRONGEST_LOW = ("crop", "posterize", "solarize", "jpeg")
FORMATS = {"rotation": "{:.3g}°", "hue": "{:.3g}°", "posterize": "{:.0f} bits", "jpeg": "quality {:.0f}"}


def draw(policy: Policy, samples: Sequence[tuple[str, bytes]], notes: Sequence[str], seed: int) -> Image.Image:
    """Draws a row for each sample: the original, each operation at full strength, and examples as training draws them.

    Args:
        policy: The operations to show; more than `NUM_COLUMNS` pictures of a sample go on in a further block of rows.
        samples: Label and file of each image.
        notes: Lines at the bottom.
        seed: Decides what is drawn.
    """
    operations = [found for name in OPERATIONS for found in policy.all_operations if found.name == name and found.probability > 0]
    titles = [("original", ""), *((one.name.replace("_", "\n"), _strength(one)) for one in operations)]
    titles += [("in\ntraining", f"draw {number + 1}") for number in range(NUM_DRAWN)]
    rows = [_cells(policy, operations, data, seed + row) for row, (_, data) in enumerate(samples)]
    blocks = [slice(start, start + NUM_COLUMNS) for start in range(0, len(titles), NUM_COLUMNS)]
    height = TOP_PX + STEP_PX * len(samples)
    width = LEFT_PX + STEP_PX * min(NUM_COLUMNS, len(titles)) + MARGIN_PX
    sheet = Image.new("RGB", (width, height * len(blocks) + 24 * len(notes) + 2 * MARGIN_PX), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN_PX, MARGIN_PX - 6), "What training does to its images", fill=INK, font=_font(18))
    for number, block in enumerate(blocks):
        shown = [(label, cells[block]) for (label, _), cells in zip(samples, rows, strict=True)]
        _draw_block(sheet, pen, number * height + TOP_PX, titles[block], shown)
    for number, note in enumerate(notes):
        pen.text((MARGIN_PX, height * len(blocks) + MARGIN_PX + 24 * number), note, fill=PALE, font=_font(14))
    return sheet


def _draw_block(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, top: int, titles: list[tuple[str, str]], rows: list[tuple[str, list[Image.Image]]]
) -> None:
    for number, (title, strength) in enumerate(titles):
        middle = LEFT_PX + STEP_PX * number + CELL_PX // 2
        pen.text((middle, top - 22), title, fill=INK, font=_font(14), anchor="md", align="center", spacing=2)
        pen.text((middle, top - 8), strength, fill=PALE, font=_font(12), anchor="ms")
    for row, (label, cells) in enumerate(rows):
        pen.text((LEFT_PX - 12, top + STEP_PX * row + CELL_PX // 2), _shortened(label), fill=INK, font=_font(14), anchor="rm")
        for number, cell in enumerate(cells):
            sheet.paste(cell, (LEFT_PX + STEP_PX * number, top + STEP_PX * row))


def _cells(policy: Policy, operations: Sequence[Operation], data: bytes, seed: int) -> list[Image.Image]:
    longest = max(pixels.size(data))
    picture = Image.fromarray(pixels.pixels(data, Recipe(CELL_PX if longest > CELL_PX // 2 else longest)))
    batch, generator = to_batch(picture), torch.Generator().manual_seed(seed)
    shown = [batch]
    for operation in operations:
        only = Policy(operations=(_at_full_strength(operation),))
        shown.append(apply(only, batch, generator))
    shown.extend(apply(policy, batch, generator) for _ in range(NUM_DRAWN))
    return [to_picture(one).resize((CELL_PX, CELL_PX), Image.Resampling.NEAREST) for one in shown]


def _full(operation: Operation) -> float:
    return operation.low if operation.name in STRONGEST_LOW else operation.high


def _at_full_strength(operation: Operation) -> Operation:
    return operation.model_copy(update={"probability": 1.0, "low": _full(operation), "high": _full(operation)})


def _strength(operation: Operation) -> str:
    return "" if operation.name in WITHOUT_STRENGTH else FORMATS.get(operation.name, "{:.3g}").format(_full(operation))


def _shortened(text: str) -> str:
    return text if len(text) <= 16 else text[:15] + "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
