"""Two models on the same images, against scikit-learn."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, recall_score, roc_auc_score

from darkroom.comparison import Comparison
from darkroom.evaluation import Predictions
from darkroom.metrics.baseline import constant_answer
from darkroom.metrics.measures import Floats, Ints
from darkroom.metrics.paired_comparison import compare_models, differences, shared_answers
from darkroom.metrics.ranking import average_precision, ranking, roc_auc
from darkroom.model import decide
from darkroom.task import Task

CLASSES = ("cat", "dog", "owl")


def model(skill: float, seed: int, task: Task = "multiclass", num_images: int = 90, prefix: str = "") -> Predictions:
    """Answers of a model that is right the more often, the more skill it has; the truth is the same for all."""
    truth_rng, rng = np.random.default_rng(0), np.random.default_rng(seed)
    num_classes = 2 if task == "binary" else 3
    y_true: Ints = (truth_rng.random((num_images, num_classes)) < 0.4).astype(int)
    if task != "multilabel":
        y_true = np.eye(num_classes, dtype=int)[truth_rng.integers(0, num_classes, num_images)]
    scores = np.round(y_true * skill + rng.random(y_true.shape), 2)  # rounded: there are ties
    probabilities = (scores / (scores.sum(1, keepdims=True) if task != "multilabel" else skill + 1)).astype(np.float32)
    thresholds = {"binary": (0.5,), "multiclass": (), "multilabel": (0.5,) * 3}[task]
    names = tuple(f"{prefix}{number}" for number in range(num_images))
    labels = y_true if task == "multilabel" else y_true.argmax(1)
    return Predictions(
        names, names, CLASSES[:num_classes], task, labels, decide(task, probabilities, thresholds), probabilities, np.arange(num_images)
    )


def compared_by(challenger: Predictions, champion: Predictions, measure: str = "f1_macro") -> Comparison:
    compared = compare_models(challenger, champion, measure, "version 1", num_resamples=300, seed=0)
    assert compared is not None
    return compared


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("measure", ["accuracy", "f1_macro", "roc_auc", "average_precision", "f1_micro"])
def test_both_values_are_the_measures_themselves(task: Task, measure: str) -> None:
    challenger, champion = model(1.0, 1, task), model(0.5, 2, task)
    main = compared_by(challenger, champion, measure).main
    assert (main.score, main.champion_score) == (challenger.measures()[measure], champion.measures()[measure])
    assert main.low < main.gain < main.high
    exact = task != "multilabel" and measure in ("accuracy", "f1_micro")
    assert main.test == ("mcnemar" if exact else "bootstrap")


def test_the_same_comparison_twice_is_the_same() -> None:
    assert compared_by(model(1.0, 1), model(0.5, 2)) == compared_by(model(1.0, 1), model(0.5, 2))


def test_the_other_way_round_is_the_same_with_the_other_sign() -> None:
    here, there = compared_by(model(1.0, 1), model(0.5, 2)), compared_by(model(0.5, 2), model(1.0, 1))
    for one, other in zip(here.differences, there.differences, strict=True):
        assert (one.gain, one.p_value) == pytest.approx((-other.gain, other.p_value))
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert (here.num_won, here.num_lost) == (there.num_lost, there.num_won)


def test_only_shared_images_are_compared_and_new_ones_are_told_apart() -> None:
    challenger, champion = model(1.0, 1), model(0.5, 2)
    shared, new = challenger.image_ids[:60], challenger.image_ids[60:]
    compared = compared_by(challenger, champion.at(shared[::-1]))
    assert (compared.num_shared, compared.num_new) == (60, 30)
    assert compared.main.score == challenger.at(shared).measures()["f1_macro"]
    assert compared.main.champion_score == champion.at(shared).measures()["f1_macro"]
    assert compared.new == {name: challenger.at(new).measures()[name] for name in ("f1_macro", "accuracy", "balanced_accuracy")}


def test_the_new_model_s_labels_are_the_truth() -> None:
    challenger = model(1.0, 1)
    champion = Predictions(*(vars(challenger) | {"y_true": (challenger.y_true + 1) % 3}).values())
    compared = compared_by(challenger, champion)
    assert compared.main.gain == 0
    assert (compared.num_won, compared.num_lost) == (0, 0)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_each_class_s_recall_stands_beside_the_other_model_s(task: Task) -> None:
    challenger, champion = model(1.0, 1, task), model(0.5, 2, task)
    rows = {row.name: row for row in compared_by(challenger, champion).classes}
    for column, label in enumerate(CLASSES):
        expected = [
            recall_score(answers.y_true[:, column], answers.y_pred[:, column])
            if task == "multilabel"
            else recall_score(answers.y_true == column, answers.y_pred == column)
            for answers in (challenger, champion)
        ]
        assert [rows[label].recall, rows[label].champion_recall] == pytest.approx(expected)
    changes = [row.change for row in compared_by(challenger, champion).classes]
    assert changes == sorted(changes)


def test_images_of_a_group_count_as_one_voice() -> None:
    y_true = np.zeros(12, dtype=int)
    names = tuple("abcdefghijkl")
    sure = np.eye(2, dtype=np.float32)
    champion = Predictions(names, names, CLASSES[:2], "multiclass", y_true, y_true, sure[y_true], np.arange(12))
    fallen = np.ones(12, dtype=int)
    challenger = Predictions(names, names, CLASSES[:2], "multiclass", y_true, fallen, sure[fallen], np.arange(12))
    one_each = compared_by(challenger, champion, "accuracy")
    in_groups = compared_by(dataclasses.replace(challenger, units=np.arange(12) // 6), champion, "accuracy")
    one_group = compared_by(dataclasses.replace(challenger, units=np.zeros(12, dtype=int)), champion, "accuracy")
    assert (one_group.num_units, one_group.classes[0].p_value, one_group.main.p_value) == (1, 1 / 2, 1.0)
    assert (one_each.num_units, one_each.classes[0].p_value, one_each.main.test) == (12, 1 / 4096, "mcnemar")
    assert (in_groups.num_units, in_groups.classes[0].p_value, in_groups.main.test) == (2, 1 / 4, "bootstrap")


def test_a_measure_that_is_not_defined_there_is_no_comparison() -> None:
    names, sure = ("a", "b"), np.eye(2, dtype=np.float32)
    challenger = Predictions(names, names, CLASSES[:2], "multiclass", np.zeros(2, int), np.zeros(2, int), sure[[0, 0]], np.arange(2))
    assert compare_models(challenger, challenger, "roc_auc", "version 1", num_resamples=100, seed=0) is None


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_ranking_on_resampled_test_sets_is_scikit_learn_s_with_weights(task: Task) -> None:
    answers = model(0.4, 3, task)
    weights = np.random.default_rng(7).integers(0, 3, (5, len(answers))).astype(float)
    y_true = answers.y_true if task == "multilabel" else np.eye(len(answers.classes))[answers.y_true]
    shown = [1] if task == "binary" else range(3)
    for measure, reference in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
        expected = [
            np.mean([reference(y_true[:, column], answers.y_score[:, column], sample_weight=row) for column in shown]) for row in weights
        ]
        assert ranking(answers, weights, measure) == pytest.approx(expected)


@pytest.mark.parametrize("area", [roc_auc, average_precision])
def test_ranking_is_not_defined_where_one_class_is_missing(area: object) -> None:
    y_true, y_score, weights = np.array([0.0, 1.0]), np.array([0.2, 0.7]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    values: Floats = area(y_true, y_score, weights)  # type: ignore[operator]
    assert np.isnan(values).tolist() == [True, True, False]


@pytest.mark.parametrize("measure", ["accuracy", "f1_macro", "balanced_accuracy"])
def test_no_constant_class_beats_the_most_frequent_one(measure: str) -> None:
    answers = model(1.0, 1)
    constant, name = constant_answer(answers, measure)
    often = int(np.bincount(answers.y_true).argmax())
    assert name == f"always answering {CLASSES[often]!r}"
    others = [Predictions(*(vars(constant) | {"y_pred": np.full(90, index)}).values()).measures()[measure] for index in range(3)]
    assert constant.measures()[measure] == pytest.approx(max(others))


@pytest.mark.parametrize("measure", ["accuracy", "f1_macro", "f1_micro"])
def test_no_constant_set_of_labels_beats_the_baseline(measure: str) -> None:
    answers = model(1.0, 1, "multilabel")
    constant, _ = constant_answer(answers, measure)
    sets = [np.array([bits >> column & 1 for column in range(3)]) for bits in range(8)]
    others = [Predictions(*(vars(constant) | {"y_pred": np.tile(labels, (90, 1))}).values()).measures()[measure] for labels in sets]
    assert constant.measures()[measure] == pytest.approx(max(others))
    assert constant.measures()["roc_auc"] == 0.5


def wrong_on(num_wrong: int) -> Predictions:
    """Three classes, 300 images, of which the first ones are answered wrongly."""
    y_true = np.tile(np.arange(3), 100)
    y_pred = np.where(np.arange(300) < num_wrong, (y_true + 1) % 3, y_true)
    names = tuple(str(number) for number in range(300))
    return Predictions(names, names, CLASSES, "multiclass", y_true, y_pred, np.eye(3, dtype=np.float32)[y_pred], np.arange(300))


def accuracy_gain(challenger: Predictions, champion: Predictions) -> tuple[float, float, float]:
    (found,) = differences(*shared_answers(challenger, champion), ["accuracy"], num_resamples=2000, seed=0).values()
    return found.gain, found.low, found.high


def test_the_gain_has_the_interval_of_paired_images() -> None:
    gain, low, high = accuracy_gain(wrong_on(30), wrong_on(60))
    spread = 1.96 * np.sqrt(0.1 * 0.9 / 300)  # 30 of 300 pairs differ, all the same way: the normal approximation
    assert (gain, low, high) == (pytest.approx(0.1), pytest.approx(0.1 - spread, abs=0.01), pytest.approx(0.1 + spread, abs=0.01))


def test_the_images_of_a_group_are_drawn_together() -> None:
    gain, low, high = accuracy_gain(wrong_on(0), wrong_on(60))
    in_tens, low_in_tens, high_in_tens = accuracy_gain(dataclasses.replace(wrong_on(0), units=np.arange(300) // 10), wrong_on(60))
    assert in_tens == gain
    assert (high_in_tens - low_in_tens) / (high - low) == pytest.approx(np.sqrt(10), rel=0.1)
