"""Linear models beside scikit-learn's."""

import numpy as np
import pytest

from darkroom.training.linear import Linear, fit_calibrated, fit_linear, one_hot


def problem(num_classes: int = 3, num_vectors: int = 300, seed: int = 0):
    """Vectors away from the origin, classes that overlap, and weights."""
    random = np.random.default_rng(seed)
    vectors = (random.normal(size=(num_vectors, 8)) + 3).astype(np.float32)
    targets = (vectors[:, :num_classes] + random.normal(size=(num_vectors, num_classes))).argmax(1)
    weights = np.repeat(random.uniform(0.2, 3, (num_vectors, 1)), num_classes, axis=1).astype(np.float32)
    return vectors, targets, weights


@pytest.mark.parametrize("regularization", [0.01, 1.0, 100.0])
def test_softmax_is_scikit_learn_s_logistic_regression(regularization: float) -> None:
    from sklearn.linear_model import LogisticRegression

    vectors, targets, weights = problem()
    found = fit_linear(vectors, one_hot(targets, 3), weights, "softmax", regularization)(vectors)
    reference = LogisticRegression(C=1 / regularization, max_iter=10_000, tol=1e-8)
    reference.fit(vectors.astype(np.float64), targets, sample_weight=weights[:, 0])
    odds = np.exp(found - found.max(1, keepdims=True))
    np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), reference.predict_proba(vectors.astype(np.float64)), atol=1e-4)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_outputs_are_learnt_one_against_the_rest_each_with_weights_of_its_own(loss: str) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    vectors, targets, weights = problem()
    labels = one_hot(targets, 3)
    weights = weights * np.array([1, 4, 0.5], np.float32)
    found = fit_linear(vectors, labels, weights, loss, 1.0)(vectors)  # type: ignore[arg-type]
    for column in range(3):
        model = LogisticRegression(max_iter=10_000, tol=1e-8) if loss == "logistic" else LinearSVC(intercept_scaling=1e3, tol=1e-8)
        model.fit(vectors, labels[:, column], sample_weight=weights[:, column])
        np.testing.assert_allclose(found[:, column], model.decision_function(vectors), atol=0.02)


def test_a_search_that_starts_elsewhere_ends_at_the_same_layer() -> None:
    vectors, targets, weights = problem()
    first = fit_linear(vectors, one_hot(targets, 3), weights, "softmax", 100.0)
    direct, warm = (fit_linear(vectors, one_hot(targets, 3), weights, "softmax", 1.0, start) for start in (None, first))
    np.testing.assert_allclose(direct(vectors), warm(vectors), atol=0.02)


def test_calibrated_outputs_are_log_odds_of_what_was_not_seen() -> None:
    vectors, targets, weights = problem(2, 2000)
    layer = fit_calibrated(vectors[:1000], one_hot(targets[:1000], 2), np.ones_like(weights[:1000]), 1.0, seed=0)
    probabilities = 1 / (1 + np.exp(-layer(vectors[1000:])[:, 1]))
    for low in (0.0, 0.25, 0.5, 0.75):
        here = (probabilities >= low) & (probabilities < low + 0.25)
        assert abs(probabilities[here].mean() - targets[1000:][here].mean()) < 0.1


def test_an_output_with_one_answer_keeps_giving_it() -> None:
    vectors, targets, _ = problem(2)
    labels = np.stack([np.zeros(len(targets)), np.ones(len(targets)), targets], axis=1).astype(np.float32)
    for layer in (
        fit_linear(vectors, labels, np.ones_like(labels), "logistic", 1.0),
        fit_calibrated(vectors, labels, np.ones_like(labels), 1.0, seed=0),
    ):
        assert isinstance(layer, Linear)
        outputs = layer(vectors)
        assert outputs[:, 0].max() < -3
        assert outputs[:, 1].min() > 3
