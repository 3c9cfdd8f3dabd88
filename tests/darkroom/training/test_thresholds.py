"""Thresholds that the validation images argue for, and no further."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from darkroom.training.thresholds import _worth, tune, tune_one


def test_what_a_threshold_is_worth_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, scores, thresholds = rng.random(50) < 0.3, rng.random(50).round(1), np.array([-1.0, 0.2, 0.5, 0.95, 2.0])
    answers = scores >= thresholds[:, None]
    expected = [(balanced_accuracy_score(truth, row) + f1_score(truth, row, average="macro")) / 2 for row in answers]
    np.testing.assert_allclose(_worth(scores[truth], scores[~truth], thresholds), expected)


def test_many_images_move_a_threshold_between_the_answers():
    truth = np.repeat([0, 1], 500)
    probabilities = np.where(truth == 1, 0.2, 0.05)
    assert 0.05 < tune_one(truth, probabilities) < 0.2


def test_few_images_hardly_move_it():
    truth, probabilities = np.array([0] * 20 + [1]), np.array([0.01] * 20 + [0.03])
    assert 0.2 < tune_one(truth, probabilities) < 0.5


@pytest.mark.parametrize("truth", [np.zeros(5, int), np.ones(5, int), np.zeros(0, int)], ids=["never", "always", "no images"])
def test_a_label_that_occurs_one_way_only_keeps_a_half(truth):
    assert tune_one(truth, np.linspace(0.1, 0.2, len(truth))) == 0.5


def test_equal_and_extreme_probabilities_give_a_threshold_inside():
    assert 0 < tune_one(np.array([0, 1, 0, 1]), np.full(4, 0.7)) < 1
    assert 0 < tune_one(np.repeat([0, 1], 200), np.repeat([0.0, 1.0], 200)) < 1
    assert 0 < tune_one(np.repeat([1, 0], 200), np.repeat([0.0, 1.0], 200)) < 1


def test_each_task_gets_as_many_as_its_card_wants():
    truth, probabilities = np.array([0, 1, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    assert tune("multiclass", truth, probabilities) == ()
    assert len(tune("binary", truth, probabilities)) == 1
    assert tune("multilabel", np.eye(2, dtype=int)[truth], probabilities)[1] == tune("binary", truth, probabilities)[0]
