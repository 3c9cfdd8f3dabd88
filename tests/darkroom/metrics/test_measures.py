"""Measures agree with scikit-learn and with numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from darkroom.metrics.measures import class_measures, count, measures, scores

CLASSES = ("a", "b", "c")


def answers(num_images: int, num_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(num_classes, size=num_images)
    logits = rng.normal(size=(num_images, num_classes)) + 1.5 * np.eye(num_classes)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return truth, probabilities, probabilities.argmax(1)


def test_four_images_worked_out_by_hand() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.45, 0.55]])
    values = measures(truth, probabilities, predicted, ("healthy", "ill"), "binary")
    assert values["accuracy"] == 0.75
    assert values["balanced_accuracy"] == 0.75
    assert values["precision"] == pytest.approx(2 / 3)
    assert values["recall"] == 1.0
    assert values["specificity"] == 0.5
    assert values["f1"] == pytest.approx(0.8)
    assert values["f1_macro"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert values["roc_auc"] == 0.75  # three of the four pairs stand in the right order
    assert values["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert values["log_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.4, 0.8, 0.55])))
    counted = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    assert [values[name] for name in counted] == [2, 1, 0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_single_label_measures_equal_those_of_scikit_learn(seed: int) -> None:
    truth, probabilities, predicted = answers(200, 3, seed)
    values = measures(truth, probabilities, predicted, CLASSES, "multiclass")
    for average in ("macro", "micro", "weighted"):
        expected = metrics.precision_recall_fscore_support(truth, predicted, average=average)
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert values[f"{name}_{average}"] == pytest.approx(value, abs=1e-12)
    assert values["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert values["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, predicted))
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, probabilities, multi_class="ovr"))
    assert values["average_precision"] == pytest.approx(metrics.average_precision_score(truth, probabilities))
    assert values["log_loss"] == pytest.approx(metrics.log_loss(truth, probabilities))


@pytest.mark.parametrize("seed", range(3))
def test_multilabel_measures_equal_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.random((150, 4)) < [0.1, 0.3, 0.5, 0.9]).astype(np.int64)
    probabilities = np.clip(0.3 * truth + rng.random((150, 4)) * 0.7, 0, 1)
    predicted = (probabilities > 0.5).astype(np.int64)
    values = measures(truth, probabilities, predicted, ("a", "b", "c", "d"), "multilabel")
    for average in ("macro", "micro", "weighted"):
        assert values[f"f1_{average}"] == pytest.approx(metrics.f1_score(truth, predicted, average=average))
    assert values["hamming_loss"] == pytest.approx(metrics.hamming_loss(truth, predicted))
    assert values["accuracy"] == pytest.approx(1 - metrics.hamming_loss(truth, predicted))
    assert values["subset_accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, probabilities))
    assert values["average_precision"] == pytest.approx(metrics.average_precision_score(truth, probabilities))
    each = [metrics.balanced_accuracy_score(truth[:, label], predicted[:, label]) for label in range(4)]
    assert values["balanced_accuracy"] == pytest.approx(np.mean(each))


def test_a_class_that_neither_occurs_nor_is_predicted_is_left_out_of_means() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0], [0.45, 0.55, 0]])
    values = measures(truth, probabilities, predicted, CLASSES, "multiclass")
    assert values["f1_macro"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert values["roc_auc"] == 0.75


def test_a_class_that_is_predicted_but_never_occurs_counts_against_macro_f1() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    values = measures(truth, np.eye(3)[predicted], predicted, CLASSES, "multiclass")
    assert values["f1_macro"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert values["balanced_accuracy"] == 0.75


def test_measures_that_one_class_leaves_undefined_are_left_out() -> None:
    values = measures(np.array([0, 0]), np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 0]), ("a", "b"), "binary")
    assert "roc_auc" not in values
    assert "average_precision" not in values
    assert values["accuracy"] == 1.0
    assert values["f1_macro"] == 1.0


def test_labels_that_occur_one_way_only_have_no_part_in_balanced_accuracy() -> None:
    truth = np.array([[1, 0, 1], [1, 0, 0]])
    predicted = np.array([[0, 0, 1], [1, 0, 1]])
    values = measures(truth, predicted.astype(float), predicted, CLASSES, "multilabel")
    assert values["balanced_accuracy"] == 0.5  # the third label alone: recall 1, specificity 0
    assert "balanced_accuracy" not in measures(truth[:1], predicted[:1].astype(float), predicted[:1], CLASSES, "multilabel")


def test_no_images_make_no_measures() -> None:
    assert measures(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64), CLASSES, "multiclass") == {}


def test_class_measures_hold_counts_and_leave_out_what_is_undefined() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0], [0.45, 0.55, 0]])
    table = class_measures(truth, probabilities, predicted, CLASSES)
    assert list(table) == list(CLASSES)
    assert table["b"] == {
        "support": 2, "precision": pytest.approx(2 / 3), "recall": 1, "f1": pytest.approx(0.8), "true_positives": 2,
        "false_positives": 1, "false_negatives": 0, "true_negatives": 1, "roc_auc": 0.75, "average_precision": pytest.approx(5 / 6),
    }  # fmt: skip
    assert table["c"]["support"] == 0
    assert "roc_auc" not in table["c"]


def test_weighted_samples_count_as_repeated_images_do() -> None:
    truth, _, predicted = answers(30, 3, 0)
    rows = np.random.default_rng(1).integers(30, size=(5, 30))
    weights = np.stack([np.bincount(row, minlength=30) for row in rows]).astype(float)
    together = scores(count(truth, predicted, 3, weights), "multiclass")
    for sample, row in enumerate(rows):
        alone = scores(count(truth[row], predicted[row], 3), "multiclass")
        assert {name: float(value[sample]) for name, value in together.items()} == pytest.approx(
            {name: float(value) for name, value in alone.items()}
        )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12), st.booleans())
def test_every_measure_is_finite_and_the_three_always_exist(pairs: list[tuple[int, int]], several: bool) -> None:
    truth, predicted = np.array(pairs).T
    if several:
        truth, predicted = np.eye(3, dtype=np.int64)[truth] * (truth > 0)[:, None], np.eye(3, dtype=np.int64)[predicted]
    probabilities = np.eye(3)[np.array(pairs)[:, 1]]
    values = measures(truth, probabilities, predicted, CLASSES, "multilabel" if several else "multiclass")
    assert all(np.isfinite(value) for value in values.values())
    assert {"accuracy", "f1_macro", "f1_micro"} <= set(values)
    assert all(0 <= value <= 1 for name, value in values.items() if name != "log_loss")
