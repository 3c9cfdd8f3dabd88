"""A grid of pictures: what is written is whole, and pictures are brought to one size."""

import numpy as np
from PIL import Image

from darkroom.picture_grid import CELL_PX, LEFT_PX, MARGIN_PX, TOP_PX, picture_grid


def test_a_long_title_and_a_long_note_are_whole_above_a_single_column() -> None:
    for title, notes in (("W" * 60, ()), ("short", ("W" * 60,))):
        ink = (np.asarray(picture_grid(title, [("one", "")], [], notes)) < 200).any(axis=(0, 2))
        assert not ink[-MARGIN_PX + 1 :].any()
        assert ink[-2 * MARGIN_PX :].any()


def test_pixels_of_a_small_picture_are_seen_and_those_of_a_large_one_are_averaged() -> None:
    def cell(side_px: int) -> np.ndarray:
        rows, columns = np.indices((side_px, side_px))
        board = Image.fromarray((255 * ((rows + columns) % 2)).astype(np.uint8)).convert("RGB")
        sheet = picture_grid("", [("one", "")], [("row", [board])])
        return np.asarray(sheet.crop((LEFT_PX, TOP_PX, LEFT_PX + CELL_PX, TOP_PX + CELL_PX)))

    assert set(np.unique(cell(8))) == {0, 255}
    assert np.ptp(cell(2 * CELL_PX)) == 0 and abs(int(cell(2 * CELL_PX)[0, 0, 0]) - 128) <= 1
