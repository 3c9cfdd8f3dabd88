"""Whether mirroring is found to keep labels, on digits, on shapes, and on noise."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from components.augment.mirroring import Mirroring, mirrorings


def one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(int(labels.max()) + 1, dtype=np.int64)[labels]


def bars(num: int, seed: int, *, upright: bool) -> tuple[np.ndarray, np.ndarray]:
    """A bright half, left or right (or top or bottom), in noise: the class says which."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 120, (num, 16, 16, 3)).astype(np.uint8), rng.integers(0, 2, num)
    for image, label in zip(images, labels, strict=True):
        half = image if upright else image.transpose(1, 0, 2)
        half[8 * label : 8 * label + 8] += 60
    return images, one_hot(labels)


def test_digits_do_not_bear_mirroring() -> None:
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))[:400]
    pictures = [Image.fromarray((digits.images[row] * 15.9).astype(np.uint8)).convert("RGB").resize((16, 16)) for row in order]
    found = mirrorings(np.stack([np.asarray(picture) for picture in pictures]), one_hot(digits.target[order]))
    for name in ("horizontal_flip", "vertical_flip"):
        assert found[name].judged
        assert found[name].kept < 0.7
        assert not found[name].keeps_labels


@pytest.mark.parametrize("upright", [True, False])
def test_classes_that_differ_along_one_axis_bear_mirroring_along_the_other(upright: bool) -> None:
    found = mirrorings(*bars(200, 0, upright=upright))
    harmful, harmless = ("vertical_flip", "horizontal_flip") if upright else ("horizontal_flip", "vertical_flip")
    assert found[harmful].kept < 0.1
    assert not found[harmful].keeps_labels
    assert found[harmless].kept > 0.95
    assert found[harmless].keeps_labels


def test_nothing_is_judged_where_nothing_can_be_learnt() -> None:
    rng = np.random.default_rng(0)
    found = mirrorings(rng.integers(0, 256, (200, 16, 16, 3)).astype(np.uint8), one_hot(rng.integers(0, 2, 200)))
    assert [mirroring.judged for mirroring in found.values()] == [False, False]
    assert [mirroring.kept for mirroring in found.values()] == [1.0, 1.0]


def test_labels_of_a_handful_of_images_are_not_judged() -> None:
    images, truth = bars(15, 0, upright=True)
    assert [mirroring.judged for mirroring in mirrorings(images, truth).values()] == [False, False]


def test_one_label_that_is_lost_is_enough() -> None:
    plain = np.full(26, 0.9)
    mirrored = plain.copy()
    assert Mirroring(plain, mirrored).keeps_labels
    mirrored[1] = 0.1  # b turns into d; over all letters, 97 % of the skill is left
    assert Mirroring(plain, mirrored).kept == pytest.approx((25 * 0.9 + 0.1) / (26 * 0.9))
    assert not Mirroring(plain, mirrored).keeps_labels


def test_measure_is_the_same_every_time() -> None:
    images, truth = bars(100, 0, upright=True)
    first, again = mirrorings(images, truth), mirrorings(images, truth)
    assert all(np.array_equal(first[name].mirrored, again[name].mirrored) for name in first)
