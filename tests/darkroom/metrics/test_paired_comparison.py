"""Two models on the same images, against scikit-learn."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, recall_score, roc_auc_score

from darkroom.comparison import Comparison
from darkroom.evaluation import Predictions
from darkroom.metrics.baseline import constant_answer
from darkroom.metrics.measures import Floats, Ints
from darkroom.metrics.paired_comparison import compare
from darkroom.metrics.ranking import average_precision, ranking, roc_auc
from darkroom.model import decide
from darkroom.task import Task

CLASSES = ("cat", "dog", "owl")


def model(skill: float, seed: int, task: Task = "multiclass", num_images: int = 90, prefix: str = "") -> Predictions:
    """Answers of a model that is right the more often, the more skill it has; the truth is the same for all."""
    truth_rng, rng = np.random.default_rng(0), np.random.default_rng(seed)
    num_classes = 2 if task == "binary" else 3
    meant: Ints = (truth_rng.random((num_images, num_classes)) < 0.4).astype(int)
    if task != "multilabel":
        meant = np.eye(num_classes, dtype=int)[truth_rng.integers(0, num_classes, num_images)]
    scores = np.round(meant * skill + rng.random(meant.shape), 2)  # rounded: there are ties
    probabilities = (scores / (scores.sum(1, keepdims=True) if task != "multilabel" else skill + 1)).astype(np.float32)
    thresholds = {"binary": (0.5,), "multiclass": (), "multilabel": (0.5,) * 3}[task]
    names = tuple(f"{prefix}{number}" for number in range(num_images))
    truth = meant if task == "multilabel" else meant.argmax(1)
    return Predictions(
        names, names, CLASSES[:num_classes], task, truth, decide(task, probabilities, thresholds), probabilities, np.arange(num_images)
    )


def duel(mine: Predictions, theirs: Predictions, measure: str = "f1_macro") -> Comparison:
    compared = compare(mine, theirs, measure, "version 1", num_resamples=300, seed=0)
    assert compared is not None
    return compared


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("measure", ["accuracy", "f1_macro", "roc_auc", "average_precision", "f1_micro"])
def test_both_values_are_the_measures_themselves(task: Task, measure: str) -> None:
    mine, theirs = model(1.0, 1, task), model(0.5, 2, task)
    main = duel(mine, theirs, measure).main
    assert (main.score, main.rival_score) == (mine.measures()[measure], theirs.measures()[measure])
    assert main.low < main.gain < main.high
    exact = task != "multilabel" and measure in ("accuracy", "f1_micro")
    assert main.test == ("mcnemar" if exact else "bootstrap")


def test_the_same_comparison_twice_is_the_same() -> None:
    assert duel(model(1.0, 1), model(0.5, 2)) == duel(model(1.0, 1), model(0.5, 2))


def test_the_other_way_round_is_the_same_with_the_other_sign() -> None:
    here, there = duel(model(1.0, 1), model(0.5, 2)), duel(model(0.5, 2), model(1.0, 1))
    for one, other in zip(here.differences, there.differences, strict=True):
        assert (one.gain, one.p_value) == pytest.approx((-other.gain, other.p_value))
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert (here.num_won, here.num_lost) == (there.num_lost, there.num_won)


def test_only_shared_images_are_compared_and_new_ones_are_told_apart() -> None:
    mine, theirs = model(1.0, 1), model(0.5, 2)
    shared, new = mine.image_ids[:60], mine.image_ids[60:]
    compared = duel(mine, theirs.at(shared[::-1]))
    assert (compared.num_shared, compared.num_new) == (60, 30)
    assert compared.main.score == mine.at(shared).measures()["f1_macro"]
    assert compared.main.rival_score == theirs.at(shared).measures()["f1_macro"]
    assert compared.new == {name: mine.at(new).measures()[name] for name in ("f1_macro", "accuracy", "balanced_accuracy")}


def test_the_new_model_s_labels_are_the_truth() -> None:
    mine = model(1.0, 1)
    theirs = Predictions(*(vars(mine) | {"truth": (mine.truth + 1) % 3}).values())
    compared = duel(mine, theirs)
    assert compared.main.gain == 0
    assert (compared.num_won, compared.num_lost) == (0, 0)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_each_class_s_recall_stands_beside_the_other_model_s(task: Task) -> None:
    mine, theirs = model(1.0, 1, task), model(0.5, 2, task)
    rows = {row.name: row for row in duel(mine, theirs).classes}
    for column, label in enumerate(CLASSES):
        expected = [
            recall_score(answers.truth[:, column], answers.predicted[:, column])
            if task == "multilabel"
            else recall_score(answers.truth == column, answers.predicted == column)
            for answers in (mine, theirs)
        ]
        assert [rows[label].recall, rows[label].rival_recall] == pytest.approx(expected)
    changes = [row.change for row in duel(mine, theirs).classes]
    assert changes == sorted(changes)


def test_images_of_a_group_count_as_one_voice() -> None:
    truth = np.zeros(12, dtype=int)
    names = tuple("abcdefghijkl")
    sure = np.eye(2, dtype=np.float32)
    theirs = Predictions(names, names, CLASSES[:2], "multiclass", truth, truth, sure[truth], np.arange(12))
    fallen = np.ones(12, dtype=int)
    mine = Predictions(names, names, CLASSES[:2], "multiclass", truth, fallen, sure[fallen], np.arange(12))
    one_each = duel(mine, theirs, "accuracy")
    in_groups = duel(dataclasses.replace(mine, units=np.arange(12) // 6), theirs, "accuracy")
    one_group = duel(dataclasses.replace(mine, units=np.zeros(12, dtype=int)), theirs, "accuracy")
    assert (one_group.num_units, one_group.classes[0].p_value, one_group.main.p_value) == (1, 1 / 2, 1.0)
    assert (one_each.num_units, one_each.classes[0].p_value, one_each.main.test) == (12, 1 / 4096, "mcnemar")
    assert (in_groups.num_units, in_groups.classes[0].p_value, in_groups.main.test) == (2, 1 / 4, "bootstrap")


def test_a_measure_that_is_not_defined_there_is_no_comparison() -> None:
    names, sure = ("a", "b"), np.eye(2, dtype=np.float32)
    mine = Predictions(names, names, CLASSES[:2], "multiclass", np.zeros(2, int), np.zeros(2, int), sure[[0, 0]], np.arange(2))
    assert compare(mine, mine, "roc_auc", "version 1", num_resamples=100, seed=0) is None


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_ranking_on_resampled_test_sets_is_scikit_learn_s_with_weights(task: Task) -> None:
    answers = model(0.4, 3, task)
    weights = np.random.default_rng(7).integers(0, 3, (5, len(answers))).astype(float)
    meant = answers.truth if task == "multilabel" else np.eye(len(answers.classes))[answers.truth]
    judged = [1] if task == "binary" else range(3)
    for measure, reference in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
        expected = [
            np.mean([reference(meant[:, column], answers.probabilities[:, column], sample_weight=row) for column in judged])
            for row in weights
        ]
        assert ranking(answers, weights, measure) == pytest.approx(expected)


@pytest.mark.parametrize("area", [roc_auc, average_precision])
def test_ranking_is_not_defined_where_one_class_is_missing(area: object) -> None:
    meant, likely, weights = np.array([0.0, 1.0]), np.array([0.2, 0.7]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    values: Floats = area(meant, likely, weights)  # type: ignore[operator]
    assert np.isnan(values).tolist() == [True, True, False]


@pytest.mark.parametrize("measure", ["accuracy", "f1_macro", "balanced_accuracy"])
def test_no_constant_class_beats_the_most_frequent_one(measure: str) -> None:
    answers = model(1.0, 1)
    constant, name = constant_answer(answers, measure)
    often = int(np.bincount(answers.truth).argmax())
    assert name == f"always answering {CLASSES[often]!r}"
    others = [Predictions(*(vars(constant) | {"predicted": np.full(90, index)}).values()).measures()[measure] for index in range(3)]
    assert constant.measures()[measure] == pytest.approx(max(others))


@pytest.mark.parametrize("measure", ["accuracy", "f1_macro", "f1_micro"])
def test_no_constant_set_of_labels_beats_the_baseline(measure: str) -> None:
    answers = model(1.0, 1, "multilabel")
    constant, _ = constant_answer(answers, measure)
    sets = [np.array([bits >> place & 1 for place in range(3)]) for bits in range(8)]
    others = [Predictions(*(vars(constant) | {"predicted": np.tile(labels, (90, 1))}).values()).measures()[measure] for labels in sets]
    assert constant.measures()[measure] == pytest.approx(max(others))
    assert constant.measures()["roc_auc"] == 0.5
