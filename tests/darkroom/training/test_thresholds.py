"""Thresholds that the validation images argue for, and no further."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from darkroom.training.thresholds import _worth, tune, tune_one

PRIOR = 30.0


def test_what_a_threshold_is_worth_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    y_true, scores, thresholds = rng.random(50) < 0.3, rng.random(50).round(1), np.array([-1.0, 0.2, 0.5, 0.95, 2.0])
    answers = scores >= thresholds[:, None]
    expected = [(balanced_accuracy_score(y_true, row) + f1_score(y_true, row, average="macro")) / 2 for row in answers]
    np.testing.assert_allclose(_worth(scores[y_true], scores[~y_true], thresholds), expected)


def test_many_images_move_a_threshold_between_the_answers():
    y_true = np.repeat([0, 1], 500)
    y_score = np.where(y_true == 1, 0.2, 0.05)
    assert 0.05 < tune_one(y_true, y_score, PRIOR) < 0.2


def test_few_images_hardly_move_it():
    y_true, y_score = np.array([0] * 20 + [1]), np.array([*np.linspace(0.01, 0.5, 20), 0.03])
    best, found, start = (np.log(value / (1 - value)) for value in (tune_one(y_true, y_score, prior) for prior in (0, PRIOR, 1e9)))
    assert (found - start) / (best - start) == pytest.approx(1 / 31, abs=0.01)


def test_the_prior_says_how_many_images_move_it_half_of_the_way():
    y_true, y_score = np.repeat([0, 1], 30), np.repeat([0.01, 0.03], 30)
    best, half, start = (np.log(value / (1 - value)) for value in (tune_one(y_true, y_score, prior) for prior in (0, 30, 1e9)))
    assert half == pytest.approx((best + start) / 2, abs=0.01)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_few_images_stay_near_a_threshold_that_follows_the_share(share):
    y_true = (np.arange(1000) < 1000 * share).astype(int)
    y_score = np.random.default_rng(0).random(1000)
    by_model, by_order = (share / (1 - share)) ** 0.25, (share / (1 - share)) ** 0.8  # uniform scores: as odds, their own quantiles
    odds = (by_model * (1 / by_order)) ** 0.5
    assert tune_one(y_true, y_score, 1e9) == pytest.approx(odds / (1 + odds), abs=0.02)


def test_a_model_that_is_too_sure_of_everything_is_read_by_its_order():
    y_true = (np.arange(100) >= 4).astype(int)  # 96 % have the label
    y_score = np.where(y_true == 1, 0.97, 0.9)
    assert tune_one(y_true, y_score, PRIOR) > 0.8  # a quarter of the share's log-odds is 0.69


@pytest.mark.parametrize("y_true", [np.zeros(5, int), np.ones(5, int), np.zeros(0, int)], ids=["never", "always", "no images"])
def test_a_label_that_occurs_one_way_only_keeps_a_half(y_true):
    assert tune_one(y_true, np.linspace(0.1, 0.2, len(y_true)), PRIOR) == 0.5


def test_equal_and_extreme_y_score_give_a_threshold_inside():
    assert 0 < tune_one(np.array([0, 1, 0, 1]), np.full(4, 0.7), PRIOR) < 1
    assert 0 < tune_one(np.repeat([0, 1], 200), np.repeat([0.0, 1.0], 200), PRIOR) < 1
    assert 0 < tune_one(np.repeat([1, 0], 200), np.repeat([0.0, 1.0], 200), PRIOR) < 1


def test_each_task_gets_as_many_as_its_card_wants():
    y_true, y_score = np.array([0, 1, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    assert tune("multiclass", y_true, y_score, PRIOR) == ()
    assert len(tune("binary", y_true, y_score, PRIOR)) == 1
    assert tune("multilabel", np.eye(2, dtype=int)[y_true], y_score, PRIOR)[1] == tune("binary", y_true, y_score, PRIOR)[0]
