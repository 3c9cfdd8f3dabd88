"""Which epoch is kept, and the standard error that decides it."""

import numpy as np
import pytest

from darkroom.evaluation import Predictions
from darkroom.task import Task
from darkroom.training.validation import Validated, error_of, kept_epoch


@pytest.mark.parametrize(
    ("scores", "error", "kept"),
    [
        pytest.param([0.5, 0.9, 0.88, 0.7], 0.03, 3, id="0.88 is within 0.03 of 0.9, and 0.7 is not"),
        pytest.param([0.5, 0.9, 0.88, 0.7], 0.01, 2, id="0.88 is not within 0.01 of 0.9"),
        pytest.param([0.2, 1.0, 1.0, 0.99], 0.0, 3, id="nothing below 1.0 is within an error of 0"),
        pytest.param([0.0, 0.0, 0.0], 0.0, 3, id="without images the last"),
    ],
)
def test_the_last_epoch_within_a_standard_error_of_the_best_is_kept(scores: list[float], error: float, kept: int) -> None:
    assert kept_epoch(scores, error) == kept


def validated(y_true: np.ndarray, y_pred: np.ndarray, units: np.ndarray | None = None, task: Task = "multiclass") -> Validated:
    names, y_score = ("",) * len(y_true), np.eye(3, dtype=np.float32)[y_pred]
    return Validated(
        {}, Predictions(names, names, ("a", "b", "c"), task, y_true, y_pred, y_score, np.arange(len(y_true)) if units is None else units)
    )


def some(num_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, a fifth of the images answered wrongly."""
    y_true = np.arange(num_images) % 3
    return y_true, np.where(np.arange(num_images) % 5 == 0, (y_true + 1) % 3, y_true)


def test_the_error_of_accuracy_is_that_of_a_share() -> None:
    assert error_of(validated(*some(300)), "accuracy") == pytest.approx(np.sqrt(0.2 * 0.8 / 300), rel=0.15)


@pytest.mark.slow
def test_the_error_of_macro_f1_is_how_far_it_moves_from_one_set_of_images_to_another() -> None:
    rng = np.random.default_rng(0)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        y_true = rng.choice(3, 400, p=(0.9, 0.07, 0.03))  # rare classes: macro F1 is no share of independent images
        return y_true, np.where(rng.random(400) < 0.15, rng.integers(0, 3, 400), y_true)

    drawn = [validated(*draw()) for _ in range(200)]
    moved = np.std([one.predictions.measures()["f1_macro"] for one in drawn if one.predictions])
    assert np.mean([error_of(one, "f1_macro") for one in drawn[:20]]) == pytest.approx(moved, rel=0.2)
    share = np.sqrt(0.75 * 0.25 / 400)
    assert moved > 1.3 * share


def test_images_of_one_patient_are_one_voice() -> None:
    y_true, y_pred = some(60)
    tenfold = validated(y_true.repeat(10), y_pred.repeat(10), np.arange(60).repeat(10))
    assert error_of(tenfold, "f1_macro") == pytest.approx(error_of(validated(y_true, y_pred), "f1_macro"))


def test_a_loss_and_a_network_without_answers_have_no_error() -> None:
    assert error_of(validated(*some(30)), "loss") == 0.0
    assert error_of(Validated({}), "f1_macro") == 0.0
