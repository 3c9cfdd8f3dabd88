"""Calibration gathers answers as the definition says."""

import numpy as np
import pytest

from darkroom.evaluation import Predictions
from darkroom.metrics.calibration import calibration


def test_error_is_the_mean_gap_between_confidence_and_hit_rate() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.65], np.float32)
    probabilities = np.stack([confidence, (1 - confidence) / 2, (1 - confidence) / 2], 1)
    y_true = np.array([0, 0, 1, 0])
    some = Predictions(("",) * 4, ("",) * 4, ("a", "b", "c"), "multiclass", y_true, np.zeros(4, np.int64), probabilities, np.arange(4))
    found = calibration(some)
    assert found.number.tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0, 3]
    assert found.error == pytest.approx((3 * abs(0.95 - 2 / 3) + 0.35) / 4, abs=1e-6)


def test_binary_asks_how_often_the_positive_class_was_there() -> None:
    positive = np.array([0.05, 0.05, 0.05, 0.05, 1.0], np.float32)
    y_true = np.array([0, 0, 0, 1, 1])
    some = Predictions(
        ("",) * 5,
        ("",) * 5,
        ("no", "yes"),
        "binary",
        y_true,
        np.array([0, 0, 0, 0, 1]),
        np.stack([1 - positive, positive], 1),
        np.arange(5),
    )
    found = calibration(some)
    assert found.hit_rate[0] == 0.25
    assert found.number[9] == 1  # a probability of exactly 1 belongs to the last bin
    assert found.error == pytest.approx(4 / 5 * 0.2, abs=1e-6)
