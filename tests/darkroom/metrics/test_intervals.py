"""Intervals equal closed forms, and hold the truth about as often as they say."""

import dataclasses

import numpy as np
import pytest

from darkroom.evaluation import Predictions
from darkroom.metrics.intervals import intervals, wilson
from darkroom.task import Task


def answers(y_true: np.ndarray, y_pred: np.ndarray, task: Task = "multiclass") -> Predictions:
    names = tuple(str(number) for number in range(len(y_true)))
    units = np.arange(len(y_true))
    return Predictions(names, names, ("a", "b", "c"), task, y_true, y_pred, np.zeros((len(y_true), 3), np.float32), units)


@pytest.mark.parametrize(("num_right", "num_images"), [(0, 10), (7, 10), (10, 10), (985, 1000)])
def test_wilson_equals_its_closed_form(num_right: int, num_images: int) -> None:
    z, share = 1.959963984540054, num_right / num_images
    centre, spread = share + z**2 / (2 * num_images), z * np.sqrt(share * (1 - share) / num_images + z**2 / (4 * num_images**2))
    expected = [(centre + sign * spread) / (1 + z**2 / num_images) for sign in (-1, 1)]
    assert wilson(num_right, num_images) == pytest.approx(expected, abs=1e-9)


def test_perfect_answers_on_few_images_are_not_claimed_to_be_certain() -> None:
    y_true = np.arange(20) % 3
    low, high = intervals(answers(y_true, y_true), 200, 0)["accuracy"].values()
    assert low == pytest.approx(20 / (20 + 1.959964**2), abs=1e-6)
    assert high == 1.0


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_images_of_a_group_come_and_go_together(task: Task) -> None:
    rng = np.random.default_rng(2)
    y_true = rng.integers(2, size=(30, 3)) if task == "multilabel" else rng.integers(3, size=30)
    y_pred = y_true.copy()
    y_pred[:6] = 1 - y_true[:6] if task == "multilabel" else (y_true[:6] + 1) % 3
    alone = answers(y_true, y_pred, task)
    tenfold = answers(y_true.repeat(10, 0), y_pred.repeat(10, 0), task)
    grouped = dataclasses.replace(tenfold, units=np.arange(30).repeat(10))
    name = "subset_accuracy" if task == "multilabel" else "accuracy"
    widths = [limits["high"] - limits["low"] for limits in (intervals(some, 4000, 0)[name] for some in (alone, grouped, tenfold))]
    spread = 2 * 1.96 * np.sqrt(0.2 * 0.8 / 30)
    assert widths[:2] == pytest.approx([spread, spread], abs=0.03)
    assert widths[2] == pytest.approx(spread / np.sqrt(10), abs=0.01)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_single_group_can_t_tell_how_far_another_would_be_off(task: Task) -> None:
    y_true = np.tile([0, 1, 1], (20, 1)) if task == "multilabel" else np.arange(20) % 3
    lone = dataclasses.replace(answers(y_true, np.roll(y_true, 1, 0), task), units=np.zeros(20, int))
    assert {tuple(limits.values()) for limits in intervals(lone, 200, 0).values()} == {(0.0, 1.0)}


def test_groups_without_a_mistake_are_as_certain_as_so_many_images() -> None:
    y_true = np.arange(60) % 3
    grouped = dataclasses.replace(answers(y_true, y_true), units=np.arange(60) // 3)
    low, high = intervals(grouped, 200, 0)["accuracy"].values()
    assert (low, high) == (pytest.approx(20 / (20 + 1.959964**2), abs=1e-6), 1.0)


def test_the_same_seed_draws_the_same_test_sets_and_another_seed_others() -> None:
    rng = np.random.default_rng(0)
    some = answers(rng.integers(3, size=80), rng.integers(3, size=80))
    assert intervals(some, 200, 3) == intervals(some, 200, 3)
    assert intervals(some, 200, 3)["f1_macro"] != intervals(some, 200, 4)["f1_macro"]


def test_multilabel_decisions_agree_with_the_normal_approximation_over_images() -> None:
    rng = np.random.default_rng(1)
    y_true = rng.integers(2, size=(400, 3))
    y_pred = np.where(rng.random((400, 3)) < 0.2, 1 - y_true, y_true)
    limits = intervals(answers(y_true, y_pred, "multilabel"), 2000, 0)
    right = (y_true == y_pred).mean(1)
    spread = 1.96 * right.std() / np.sqrt(400)
    assert limits["accuracy"]["low"] == pytest.approx(right.mean() - spread, abs=0.004)
    assert limits["accuracy"]["high"] == pytest.approx(right.mean() + spread, abs=0.004)
    assert set(limits) == {"accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "subset_accuracy"}


def test_a_measure_that_is_never_defined_has_no_interval() -> None:
    y_true = np.ones((5, 3), np.int64)
    assert "balanced_accuracy" not in intervals(answers(y_true, y_true, "multilabel"), 100, 0)


def test_intervals_of_macro_f1_hold_the_truth_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    share_right, held = 0.8, 0
    for seed in range(100):
        y_true = rng.integers(3, size=150)
        y_pred = np.where(rng.random(150) < share_right, y_true, (y_true + rng.integers(1, 3, size=150)) % 3)
        limits = intervals(answers(y_true, y_pred), 200, seed)["f1_macro"]
        held += limits["low"] <= share_right <= limits["high"]  # balanced classes, even errors: F1 equals accuracy
    assert 88 <= held <= 100
