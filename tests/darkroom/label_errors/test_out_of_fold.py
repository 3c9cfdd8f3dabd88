"""Predictions by models that have not seen the images: against scikit-learn, and on labels that say nothing."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from darkroom.folds import NO_FOLD
from darkroom.label_errors import out_of_fold as module
from darkroom.label_errors.out_of_fold import out_of_fold


def separable(number: int, num_labels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features around a centre a label, the labels, and folds."""
    rng = np.random.default_rng(seed)
    y_true = np.arange(number) % num_labels
    features = (np.eye(num_labels, 8)[y_true] + 0.2 * rng.standard_normal((number, 8))).astype(np.float32)
    return features, y_true, rng.permutation(number) % 4


def test_outputs_are_those_of_ridge_regressions_on_the_other_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    features, y_true, folds = separable(90, 3)
    targets = np.eye(3, dtype=np.float32)[y_true]
    seen = []
    monkeypatch.setattr(module, "_softmax", lambda outputs, *_: seen.append(outputs) or outputs)
    monkeypatch.setattr(module, "_REGULARIZATIONS", (2.0,))
    doubted = np.arange(90) % 7 == 0
    out_of_fold(features, targets, folds, exclusive=True, doubted=doubted)
    expected = np.empty_like(targets)
    for fold in range(4):
        learnt = (folds != fold) & ~doubted
        expected[folds == fold] = Ridge(2.0).fit(features[learnt], targets[learnt]).predict(features[folds == fold])
    np.testing.assert_allclose(seen[0], expected, atol=1e-5)


def test_probabilities_add_up_to_one_and_tell_what_can_be_told() -> None:
    features, y_true, folds = separable(120, 3)
    found = out_of_fold(features, np.eye(3, dtype=np.float32)[y_true], folds, exclusive=True)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-4)
    assert (found.argmax(1) == y_true).all()
    assert found.max(1).mean() > 0.9


def test_a_label_that_the_features_say_nothing_about_gets_its_share() -> None:
    features, y_true, folds = separable(400, 2)
    chance = np.random.default_rng(1).random(400) < 0.25
    found = out_of_fold(features, np.stack([y_true, chance], axis=1).astype(np.float32), folds, exclusive=False)
    assert ((found[:, 0] > 0.5) == (y_true == 1)).all()
    assert abs(found[:, 1] - chance.mean()).max() < 0.2


@pytest.mark.parametrize("exclusive", [True, False])
def test_images_without_a_label_are_answered_by_all_others_and_change_no_answer(exclusive: bool) -> None:
    features, y_true, folds = separable(120, 3)
    targets = np.eye(3, dtype=np.float32)[y_true]
    more, unknown = np.concatenate([features, features[:30]]), np.concatenate([folds, np.full(30, NO_FOLD)])
    found = out_of_fold(more, np.concatenate([targets, np.zeros((30, 3), np.float32)]), unknown, exclusive=exclusive)
    np.testing.assert_allclose(found[:120], out_of_fold(features, targets, folds, exclusive=exclusive), atol=1e-5)
    assert (found[120:].argmax(1) == y_true[:30]).all()
