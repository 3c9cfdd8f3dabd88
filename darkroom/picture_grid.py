"""A grid of pictures with names: what is done to each picture of a row, a column each."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

CELL_PX, GAP_PX, LEFT_PX, TOP_PX, MARGIN_PX = 112, 8, 150, 84, 20
INK, PALE, PAPER = "#1c1c1c", "#6b6b6b", "#ffffff"


def picture_grid(
    title: str, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[str, Sequence[Image.Image]]], notes: Sequence[str] = ()
) -> Image.Image:
    """Draws a row for each sample.

    Args:
        title: Of the whole.
        columns: What each column shows, and what is said below that.
        rows: What each row shows, and its square pictures, which are brought to 112 pixels a side.
        notes: Lines at the bottom.
    """
    step = CELL_PX + GAP_PX
    texts = [(title, _font(18)), *((note, _font(14)) for note in notes)]
    width = max(LEFT_PX + step * len(columns), *(MARGIN_PX + round(font.getlength(text)) for text, font in texts)) + MARGIN_PX
    sheet = Image.new("RGB", (width, TOP_PX + step * len(rows) + 24 * len(notes) + 2 * MARGIN_PX), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN_PX, MARGIN_PX - 6), title, fill=INK, font=_font(18))
    for number, (name, detail) in enumerate(columns):
        middle = LEFT_PX + step * number + CELL_PX // 2
        pen.text((middle, TOP_PX - 24), name, fill=INK, font=_font(14), anchor="ms")
        pen.text((middle, TOP_PX - 8), detail, fill=PALE, font=_font(12), anchor="ms")
    for row, (name, pictures) in enumerate(rows):
        top = TOP_PX + step * row
        pen.text((LEFT_PX - 12, top + CELL_PX // 2), _shortened(name), fill=INK, font=_font(14), anchor="rm")
        for number, picture in enumerate(pictures):
            kept = Image.Resampling.BOX if picture.width > CELL_PX else Image.Resampling.NEAREST  # enlarged, pixels are to be seen
            sheet.paste(picture.resize((CELL_PX, CELL_PX), kept), (LEFT_PX + step * number, top))
    for number, note in enumerate(notes):
        pen.text((MARGIN_PX, TOP_PX + step * len(rows) + MARGIN_PX + 24 * number), note, fill=PALE, font=_font(14))
    return sheet


def _shortened(text: str) -> str:
    return text if len(text) <= 16 else text[:15] + "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
