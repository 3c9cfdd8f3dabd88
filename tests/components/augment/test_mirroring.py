"""Whether mirroring is found to keep labels, on digits, on shapes, and on noise."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from components.augment.config import AugmentConfig
from components.augment.mirroring import Limits, Mirroring, mirrorings

LIMITS = Limits(min_skill=0.3, min_kept=0.85, min_kept_by_label=0.5)  # augment's defaults


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
    found = mirrorings(np.stack([np.asarray(picture) for picture in pictures]), one_hot(digits.target[order]), LIMITS)
    for name in ("horizontal_flip", "vertical_flip"):
        assert found[name].is_conclusive
        assert found[name].kept < 0.7
        assert not found[name].keeps_labels


@pytest.mark.parametrize("upright", [True, False])
def test_classes_that_differ_along_one_axis_bear_mirroring_along_the_other(upright: bool) -> None:
    found = mirrorings(*bars(200, 0, upright=upright), LIMITS)
    harmful, harmless = ("vertical_flip", "horizontal_flip") if upright else ("horizontal_flip", "vertical_flip")
    assert found[harmful].kept < 0.1
    assert not found[harmful].keeps_labels
    assert found[harmless].kept > 0.95
    assert found[harmless].keeps_labels


def test_nothing_is_concluded_where_nothing_can_be_learnt() -> None:
    rng = np.random.default_rng(0)
    found = mirrorings(rng.integers(0, 256, (200, 16, 16, 3)).astype(np.uint8), one_hot(rng.integers(0, 2, 200)), LIMITS)
    assert [mirroring.is_conclusive for mirroring in found.values()] == [False, False]
    assert [mirroring.kept for mirroring in found.values()] == [1.0, 1.0]


def test_labels_of_a_handful_of_images_are_not_evaluated() -> None:
    images, y_true = bars(15, 0, upright=True)
    assert [mirroring.is_conclusive for mirroring in mirrorings(images, y_true, LIMITS).values()] == [False, False]


def test_one_label_that_is_lost_is_enough() -> None:
    plain = np.full(26, 0.9)
    mirrored = plain.copy()
    assert Mirroring(plain, mirrored, LIMITS).keeps_labels
    mirrored[1] = 0.1  # b turns into d; over all letters, 97 % of the skill is left
    assert Mirroring(plain, mirrored, LIMITS).kept == pytest.approx((25 * 0.9 + 0.1) / (26 * 0.9))
    assert not Mirroring(plain, mirrored, LIMITS).keeps_labels


@pytest.mark.parametrize(
    ("limits", "conclusive", "keeps"),
    [
        (LIMITS, True, True),
        (Limits(min_skill=0.3, min_kept=0.9, min_kept_by_label=0.5), True, False),
        (Limits(min_skill=0.3, min_kept=0.85, min_kept_by_label=0.8), True, False),
        (Limits(min_skill=0.95, min_kept=0.85, min_kept_by_label=0.5), False, True),
    ],
    ids=["defaults", "all labels", "each label", "skill"],
)
def test_the_limits_are_the_users(limits: Limits, conclusive: bool, keeps: bool) -> None:
    found = Mirroring(np.array([0.9, 0.8, 0.1]), np.array([0.9, 0.6, 0.0]), limits)  # 15 of 17, 1 and 3 of 4; the third not learnt
    assert (found.is_conclusive, found.keeps_labels) == (conclusive, keeps)


def test_the_defaults_are_what_these_tests_take() -> None:
    config = AugmentConfig()
    assert Limits(config.flip_min_skill, config.flip_min_kept, config.flip_min_kept_by_label) == LIMITS


def test_measure_is_the_same_every_time() -> None:
    images, y_true = bars(100, 0, upright=True)
    first, again = mirrorings(images, y_true, LIMITS), mirrorings(images, y_true, LIMITS)
    assert all(np.array_equal(first[name].mirrored, again[name].mirrored) for name in first)
