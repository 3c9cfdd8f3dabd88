import dataclasses

import numpy as np
import pytest

from darkroom.evaluation import Predictions
from darkroom.metrics.differences import differences, num_shared


def answers(truth: np.ndarray, predicted: np.ndarray, first: int = 0) -> Predictions:
    names = tuple(f"image {number}" for number in range(first, first + len(truth)))
    probabilities = np.eye(3, dtype=np.float32)[predicted]
    return Predictions(names, names, ("a", "b", "c"), "multiclass", truth, predicted, probabilities, np.arange(len(truth)))


def test_the_change_of_accuracy_has_the_interval_of_paired_images() -> None:
    truth = np.tile(np.arange(3), 100)
    wrong = (truth + 1) % 3
    before = answers(truth, np.where(np.arange(300) < 60, wrong, truth))
    after = answers(truth, np.where(np.arange(300) < 30, wrong, truth))
    change = differences(before, after, num_resamples=4000)["accuracy"]
    assert change["change"] == pytest.approx(0.1)
    spread = 1.96 * np.sqrt(0.1 * 0.9 / 300)  # 30 of 300 pairs differ, all the same way: the normal approximation
    assert change["low"] == pytest.approx(0.1 - spread, abs=0.006)
    assert change["high"] == pytest.approx(0.1 + spread, abs=0.006)


def test_images_of_a_group_change_together() -> None:
    truth = np.tile(np.arange(3), 100)
    before = answers(truth, np.where(np.arange(300) < 60, (truth + 1) % 3, truth))
    after = answers(truth, truth)
    alone = differences(before, after, num_resamples=2000)["accuracy"]
    in_tens = differences(before, dataclasses.replace(after, units=np.arange(300) // 10), num_resamples=2000)["accuracy"]
    assert in_tens["change"] == alone["change"]
    assert (in_tens["high"] - in_tens["low"]) / (alone["high"] - alone["low"]) == pytest.approx(np.sqrt(10), rel=0.1)


def test_a_single_group_tells_nothing() -> None:
    truth = np.zeros(40, np.int64)
    lone = dataclasses.replace(answers(truth, truth), units=np.zeros(40, np.int64))
    assert differences(answers(truth, truth + 1), lone)["accuracy"] == {"change": 1.0, "low": -1.0, "high": 1.0}


def test_only_shared_images_count_judged_by_the_later_labels() -> None:
    truth = np.zeros(40, np.int64)
    before, after = answers(truth, truth), answers(truth[:20] + 1, truth[:20] + 1, first=30)
    assert num_shared(before, after) == 10
    assert differences(before, after)["accuracy"] == {"change": 1.0, "low": 1.0, "high": 1.0}
    assert differences(before, answers(truth, truth, first=100)) == {}


def test_the_same_answers_differ_by_nothing() -> None:
    truth = np.tile(np.arange(3), 10)
    same = answers(truth, (truth + 1) % 3)
    assert set(differences(same, dataclasses.replace(same))["f1_macro"].values()) == {0.0}
