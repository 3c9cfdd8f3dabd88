"""How likely labels are to be wrong: of things that look alike labels are no noise, moved labels are."""

import numpy as np
import pytest

from darkroom.label_errors.noise import wrong_probabilities
from darkroom.training.linear import Floats


def answers(sharpness: float, number: int = 3000) -> Floats:
    """What a model answers about images of three classes, of which some are hard to tell apart."""
    rng = np.random.default_rng(0)
    logits = rng.uniform(0, 8, (number, 1)) * np.eye(3)[rng.integers(0, 3, number)]
    likely = np.exp(sharpness * logits)
    return (likely / likely.sum(1, keepdims=True)).astype(np.float32)


def drawn(probabilities: Floats) -> np.ndarray:
    """Labels that are as the model answers: right ones of a model that says how sure it is."""
    return (np.random.default_rng(1).random((len(probabilities), 1)) > probabilities.cumsum(1)).sum(1).clip(max=2)


def test_things_that_look_alike_are_not_noise() -> None:
    probabilities = answers(1.0)
    targets = drawn(probabilities)
    contradicted = probabilities.argmax(1) != targets
    assert contradicted.sum() > 300
    assert (wrong_probabilities(probabilities, targets)[contradicted] > 0.2).mean() < 0.2


def test_moved_labels_are_likely_to_be_wrong_though_models_became_unsure_by_them() -> None:
    targets = drawn(answers(1.0))
    moved = np.arange(len(targets)) % 10 == 0
    given = np.where(moved, (targets + 1) % 3, targets)
    likely = wrong_probabilities(answers(0.5), given) > 0.5
    assert likely[moved].mean() > 0.5
    assert moved[likely].mean() > 0.8


def test_answers_that_say_nothing_make_no_label_wrong() -> None:
    assert (wrong_probabilities(np.full((60, 3), 1 / 3, np.float32), np.arange(60) % 3) < 0.6).all()


@pytest.mark.parametrize("seed", [1, 3, 5, 8])  # of which the likelihood alone takes a seventh for wrong, by less than it varies by chance
def test_models_that_know_little_accuse_hardly_anything(seed):
    rng = np.random.default_rng(seed)
    likely = 1 / (1 + np.exp(-0.7 * rng.normal(size=400)))
    targets = (rng.random(400) < likely).astype(int)
    found = wrong_probabilities(np.stack([1 - likely, likely], axis=1).astype(np.float32), targets)
    assert (found > 0.2).mean() < 0.05 and found.mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])  # of which the likelihood alone decides by chance whether any label is wrong
def test_moved_labels_of_two_classes_are_likely_to_be_wrong_though_models_are_unsure_of_all_alike(seed):
    rng = np.random.default_rng(seed)
    truth, moved = rng.integers(0, 2, 480), np.arange(480) % 7 == 0
    likely = 1 / (1 + np.exp(-(2 * truth - 1) * rng.normal(1.8, 0.2, 480)))
    found = wrong_probabilities(np.stack([1 - likely, likely], axis=1).astype(np.float32), np.where(moved, 1 - truth, truth))
    assert (found[moved] > 0.2).mean() > 0.95 and (found[~moved] > 0.2).mean() < 0.01
