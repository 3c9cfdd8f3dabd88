"""A camera that does not move: what stands before its background decides; many copies of one picture stay copies."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from darkroom.similarity.confirmation import GREY_PX, Confirmed
from darkroom.similarity.still_camera import MIN_ALIKE, same_in_front
from tests.photographs import photograph

NUM_PICTURES = 16


def scene(number: int) -> Image.Image:
    """The same background, with a thing at another place in each picture but the last, which repeats the first."""
    number %= NUM_PICTURES - 1
    picture = photograph(1)
    x, y = 12 + number % 4 * 24, 10 + number // 4 * 19
    ImageDraw.Draw(picture).rectangle((x, y, x + 17, y + 17), fill="white", outline="black", width=4)
    return ImageEnhance.Brightness(picture).enhance(0.9 + 0.02 * (number % 8))


def copy(number: int) -> Image.Image:
    """The same picture, shifted, and under another exposure."""
    picture = photograph(2).crop((number % 4, number // 4, 116 + number % 4, 92 + number // 4))
    return ImageEnhance.Brightness(picture).enhance(0.6 + 0.05 * number)


def left_of(make: Callable[[int], Image.Image], number: int) -> list[list[int]]:
    """The pairs that are left where all had been confirmed."""
    grey = [np.asarray(make(one).convert("L").resize((GREY_PX, GREY_PX))) for one in range(number)]

    def pictures(rows: npt.NDArray[np.int64], side_px: int) -> npt.NDArray[np.uint8]:
        assert side_px == GREY_PX
        return np.stack([grey[row] for row in rows])

    every = np.stack(np.triu_indices(number, 1), axis=1)
    found = same_in_front(Confirmed(every, np.full(len(every), 0.9)), pictures)
    assert len(found.pairs) == len(found.correlations)
    return found.pairs.tolist()


def test_pictures_of_one_camera_are_told_apart_by_what_is_in_front() -> None:
    left = left_of(scene, NUM_PICTURES)
    assert [0, NUM_PICTURES - 1] in left
    assert len(left) <= 0.1 * NUM_PICTURES * (NUM_PICTURES - 1) / 2


def test_many_copies_stay_copies() -> None:
    assert len(left_of(copy, NUM_PICTURES)) == NUM_PICTURES * (NUM_PICTURES - 1) // 2


@pytest.mark.parametrize("number", [2, MIN_ALIKE])
def test_few_look_alikes_are_left_as_they_are(number: int) -> None:
    assert len(left_of(scene, number)) == number * (number - 1) // 2
