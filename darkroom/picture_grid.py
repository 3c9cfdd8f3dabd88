"""A grid of pictures with names: what is done to each picture of a row, a column each."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from darkroom.short_names import shortened

CELL_PX, GAP_PX, LEFT_PX, TOP_PX, MARGIN_PX = 112, 8, 150, 98, 20
STEP_PX = CELL_PX + GAP_PX
MAX_COLUMNS = 12  # side by side
MAX_NAME = 16  # characters of a row's name
INK, PALE, PAPER = "#1c1c1c", "#6b6b6b", "#ffffff"


def picture_grid(
    title: str, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[str, Sequence[Image.Image]]], notes: Sequence[str] = ()
) -> Image.Image:
    """Draws a row for each sample; where columns are many, in blocks one below the other, of about as many each.

    Args:
        title: Of the whole.
        columns: What each column shows, in one line or two, and what is said below that.
        rows: What each row shows, and its square pictures, which are brought to 112 pixels a side.
        notes: Lines at the bottom.
    """
    side_by_side = -(-len(columns) // -(-len(columns) // MAX_COLUMNS))
    blocks = [slice(start, start + side_by_side) for start in range(0, len(columns), side_by_side)]
    height = TOP_PX + STEP_PX * len(rows)
    texts = [(title, _font(18)), *((note, _font(14)) for note in notes)]
    text_px = max(MARGIN_PX + round(font.getlength(text)) for text, font in texts)
    width = max(text_px, LEFT_PX + STEP_PX * side_by_side) + MARGIN_PX
    sheet = Image.new("RGB", (width, height * len(blocks) + 24 * len(notes) + 2 * MARGIN_PX), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN_PX, MARGIN_PX - 6), title, fill=INK, font=_font(18))
    for number, block in enumerate(blocks):
        _draw_block(sheet, pen, number * height + TOP_PX, columns[block], [(name, pictures[block]) for name, pictures in rows])
    for number, note in enumerate(notes):
        pen.text((MARGIN_PX, height * len(blocks) + MARGIN_PX + 24 * number), note, fill=PALE, font=_font(14))
    return sheet


def _draw_block(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    top: int,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[tuple[str, Sequence[Image.Image]]],
) -> None:
    for number, (name, detail) in enumerate(columns):
        middle = LEFT_PX + STEP_PX * number + CELL_PX // 2
        pen.text((middle, top - 22), name, fill=INK, font=_font(14), anchor="md", align="center", spacing=2)
        pen.text((middle, top - 8), detail, fill=PALE, font=_font(12), anchor="ms")
    for row, (name, pictures) in enumerate(rows):
        pen.text((LEFT_PX - 12, top + STEP_PX * row + CELL_PX // 2), shortened(name, MAX_NAME), fill=INK, font=_font(14), anchor="rm")
        for number, picture in enumerate(pictures):
            how = Image.Resampling.BOX if picture.width > CELL_PX else Image.Resampling.NEAREST  # enlarged, pixels are to be seen
            cell = picture.resize((CELL_PX, CELL_PX), how)
            sheet.paste(cell, (LEFT_PX + STEP_PX * number, top + STEP_PX * row))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
