"""The picture of what the policy does."""

import io

import numpy as np
from PIL import Image

from components.augment.contact_sheet import draw
from darkroom.augmentation.policy import Operation, Policy
from darkroom.picture_grid import CELL_PX, GAP_PX, LEFT_PX, STEP_PX, TOP_PX

POLICY = Policy(
    operations=(Operation(name="horizontal_flip", probability=0.5), Operation(name="brightness", probability=0.5, low=0.5, high=1.5))
)


def halves() -> bytes:
    values = np.zeros((8, 8, 3), dtype=np.uint8)
    values[:, :4] = 100
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def cell(sheet: Image.Image, row: int, column: int) -> np.ndarray:
    left, top = LEFT_PX + column * (CELL_PX + GAP_PX), TOP_PX + row * (CELL_PX + GAP_PX)
    return np.asarray(sheet.crop((left, top, left + CELL_PX, top + CELL_PX)))


def test_sheet_shows_the_original_then_each_operation_at_full_strength() -> None:
    sheet = draw(POLICY, [("left", halves()), ("a label that is far too long to be shown", halves())], ["a note"], seed=0)
    for row in (0, 1):
        original, flipped, brighter = (cell(sheet, row, column) for column in range(3))
        assert np.array_equal(original[0, [0, -1], 0], [100, 0])
        assert np.array_equal(flipped, original[:, ::-1])
        assert np.array_equal(brighter[0, [0, -1], 0], [150, 0])


def test_sheet_shows_choices_and_goes_on_below_where_they_are_many() -> None:
    names = ("solarize", "posterize", "equalize", "autocontrast", "sharpness", "blur", "rotation", "scale", "aspect", "hue", "jpeg", "grey")
    choices = tuple(Operation(name=name, probability=1 / 12, low=0.0 if name == "solarize" else 1.0, high=1.0) for name in names)
    sheet = draw(Policy(num_choices=1, choices=choices), [("x", halves())], [], seed=0)
    assert sheet.size[0] == LEFT_PX + 8 * STEP_PX + 20  # 1 original, 12 operations, 3 draws: two blocks of 8
    below = sheet.crop((0, TOP_PX + STEP_PX, *sheet.size))
    solarized = next(cell(part, 0, column) for part in (sheet, below) for column in range(8) if cell(part, 0, column)[0, -1, 0] == 255)
    assert np.array_equal(solarized[0, [0, -1], 0], [155, 255])
    assert [bool((cell(below, 0, column) != 255).any()) for column in range(8)] == [True] * 8


def test_sheet_is_the_same_for_the_same_seed() -> None:
    sheets = [draw(POLICY, [("x", halves())], [], seed).tobytes() for seed in (0, 0)]
    assert sheets[0] == sheets[1]


def test_sheet_of_an_empty_policy_still_shows_the_images() -> None:
    assert np.array_equal(cell(draw(Policy(), [("x", halves())], [], 0), 0, 0)[0, [0, -1], 0], [100, 0])
