"""What was forgotten, counted by hand on a few images."""

import numpy as np
import pytest

from components.register.forgetting import forgotten
from darkroom.evaluation import Predictions
from darkroom.outcome import Forgotten


def answers(y_pred: list[int], y_true: list[int], first: int = 0, classes: tuple[str, ...] = ("cat", "dog")) -> Predictions:
    numbers = range(first, first + len(y_true))
    probabilities = np.eye(len(classes), dtype=np.float32)[y_pred]
    names = tuple(f"image {number}" for number in numbers)
    paths = tuple(f"{number}.png" for number in numbers)
    return Predictions(names, paths, classes, "multiclass", np.array(y_true), np.array(y_pred), probabilities, np.arange(len(y_true)))


def test_what_was_right_and_is_wrong_is_forgotten() -> None:
    before = answers([0, 0, 1, 1, 0], [0, 0, 1, 1, 1])
    now = answers([1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 1, 0])
    found = forgotten(3, before, now)
    assert found == Forgotten(3, num_images=5, num_known=4, num_forgotten=2, num_learnt=1, examples=("0.png", "3.png"))
    assert str(found) == "version 3: 2 of 4 forgotten, 1 learnt"


def test_only_shared_images_count_and_today_s_label_decides() -> None:
    before = answers([0, 1, 1], [0, 1, 1], first=0)
    now = answers([0, 1, 0], [0, 1, 0], first=1)  # image 1 is a cat today
    assert forgotten(1, before, now) == Forgotten(1, num_images=2, num_known=1, num_forgotten=0, num_learnt=1, examples=())


def test_classes_are_compared_by_name() -> None:
    before = answers([1, 0], [1, 0], classes=("cat", "dog"))
    now = answers([0, 1], [0, 1], classes=("dog", "cat"))
    assert forgotten(1, before, now).num_forgotten == 0


@pytest.mark.parametrize("number", [0, 7])
def test_examples_are_few(number: int) -> None:
    found = forgotten(1, answers([0] * number, [0] * number), answers([1] * number, [0] * number))
    assert (found.num_forgotten, len(found.examples)) == (number, min(number, 5))
