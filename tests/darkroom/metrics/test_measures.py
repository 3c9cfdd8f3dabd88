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
    y_true = rng.integers(num_classes, size=num_images)
    logits = rng.normal(size=(num_images, num_classes)) + 1.5 * np.eye(num_classes)[y_true]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return y_true, probabilities, probabilities.argmax(1)


def test_four_images_worked_out_by_hand() -> None:
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.45, 0.55]])
    values = measures(y_true, probabilities, y_pred, ("healthy", "ill"), "binary")
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
    y_true, probabilities, y_pred = answers(200, 3, seed)
    values = measures(y_true, probabilities, y_pred, CLASSES, "multiclass")
    for average in ("macro", "micro", "weighted"):
        expected = metrics.precision_recall_fscore_support(y_true, y_pred, average=average)
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert values[f"{name}_{average}"] == pytest.approx(value, abs=1e-12)
    assert values["accuracy"] == pytest.approx(metrics.accuracy_score(y_true, y_pred))
    assert values["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y_true, y_pred))
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(y_true, probabilities, multi_class="ovr"))
    assert values["average_precision"] == pytest.approx(metrics.average_precision_score(y_true, probabilities))
    assert values["log_loss"] == pytest.approx(metrics.log_loss(y_true, probabilities))


@pytest.mark.parametrize("seed", range(3))
def test_multilabel_measures_equal_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y_true = (rng.random((150, 4)) < [0.1, 0.3, 0.5, 0.9]).astype(np.int64)
    probabilities = np.clip(0.3 * y_true + rng.random((150, 4)) * 0.7, 0, 1)
    y_pred = (probabilities > 0.5).astype(np.int64)
    values = measures(y_true, probabilities, y_pred, ("a", "b", "c", "d"), "multilabel")
    for average in ("macro", "micro", "weighted"):
        assert values[f"f1_{average}"] == pytest.approx(metrics.f1_score(y_true, y_pred, average=average))
    assert values["hamming_loss"] == pytest.approx(metrics.hamming_loss(y_true, y_pred))
    assert values["accuracy"] == pytest.approx(1 - metrics.hamming_loss(y_true, y_pred))
    assert values["subset_accuracy"] == pytest.approx(metrics.accuracy_score(y_true, y_pred))
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(y_true, probabilities))
    assert values["average_precision"] == pytest.approx(metrics.average_precision_score(y_true, probabilities))
    each = [metrics.balanced_accuracy_score(y_true[:, label], y_pred[:, label]) for label in range(4)]
    assert values["balanced_accuracy"] == pytest.approx(np.mean(each))


def test_a_class_that_neither_occurs_nor_is_predicted_is_left_out_of_means() -> None:
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0], [0.45, 0.55, 0]])
    values = measures(y_true, probabilities, y_pred, CLASSES, "multiclass")
    assert values["f1_macro"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert values["roc_auc"] == 0.75


def test_a_class_that_is_predicted_but_never_occurs_counts_against_macro_f1() -> None:
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    values = measures(y_true, np.eye(3)[y_pred], y_pred, CLASSES, "multiclass")
    assert values["f1_macro"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert values["balanced_accuracy"] == 0.75


def test_measures_that_one_class_leaves_undefined_are_left_out() -> None:
    values = measures(np.array([0, 0]), np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 0]), ("a", "b"), "binary")
    assert "roc_auc" not in values
    assert "average_precision" not in values
    assert values["accuracy"] == 1.0
    assert values["f1_macro"] == 1.0


def test_labels_that_occur_one_way_only_have_no_part_in_balanced_accuracy() -> None:
    y_true = np.array([[1, 0, 1], [1, 0, 0]])
    y_pred = np.array([[0, 0, 1], [1, 0, 1]])
    values = measures(y_true, y_pred.astype(float), y_pred, CLASSES, "multilabel")
    assert values["balanced_accuracy"] == 0.5  # the third label alone: recall 1, specificity 0
    assert "balanced_accuracy" not in measures(y_true[:1], y_pred[:1].astype(float), y_pred[:1], CLASSES, "multilabel")


def test_no_images_make_no_measures() -> None:
    assert measures(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64), CLASSES, "multiclass") == {}


def test_class_measures_hold_counts_and_leave_out_what_is_undefined() -> None:
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0], [0.45, 0.55, 0]])
    table = class_measures(y_true, probabilities, y_pred, CLASSES)
    assert list(table) == list(CLASSES)
    assert table["b"] == {
        "support": 2, "precision": pytest.approx(2 / 3), "recall": 1, "f1": pytest.approx(0.8), "true_positives": 2,
        "false_positives": 1, "false_negatives": 0, "true_negatives": 1, "roc_auc": 0.75, "average_precision": pytest.approx(5 / 6),
    }  # fmt: skip
    assert table["c"]["support"] == 0
    assert "roc_auc" not in table["c"]


def test_weighted_samples_count_as_repeated_images_do() -> None:
    y_true, _, y_pred = answers(30, 3, 0)
    rows = np.random.default_rng(1).integers(30, size=(5, 30))
    weights = np.stack([np.bincount(row, minlength=30) for row in rows]).astype(float)
    together = scores(count(y_true, y_pred, 3, weights), "multiclass")
    for sample, row in enumerate(rows):
        alone = scores(count(y_true[row], y_pred[row], 3), "multiclass")
        assert {name: float(value[sample]) for name, value in together.items()} == pytest.approx(
            {name: float(value) for name, value in alone.items()}
        )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12), st.booleans())
def test_every_measure_is_finite_and_the_three_always_exist(pairs: list[tuple[int, int]], several: bool) -> None:
    y_true, y_pred = np.array(pairs).T
    if several:
        y_true, y_pred = np.eye(3, dtype=np.int64)[y_true] * (y_true > 0)[:, None], np.eye(3, dtype=np.int64)[y_pred]
    probabilities = np.eye(3)[np.array(pairs)[:, 1]]
    values = measures(y_true, probabilities, y_pred, CLASSES, "multilabel" if several else "multiclass")
    assert all(np.isfinite(value) for value in values.values())
    assert {"accuracy", "f1_macro", "f1_micro"} <= set(values)
    assert all(0 <= value <= 1 for name, value in values.items() if name != "log_loss")
