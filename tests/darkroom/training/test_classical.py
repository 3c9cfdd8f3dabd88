"""Classical models: what they answer beside scikit-learn's, and what they can't do exactly."""

from typing import Any

import numpy as np
import onnx
import pytest

from darkroom.networks.families import CLASSICAL, Family
from darkroom.task import Task
from darkroom.training import classical, principal_components
from darkroom.training.classical import HeadSettings, Vectors, candidates, fit_head

TASKS: tuple[Task, ...] = ("binary", "multiclass", "multilabel")
FEW = HeadSettings(num_trees=8, min_leaf=2, num_neighbours=3)


def labelled(task: Task, num_vectors: int = 240, num_features: int = 12, seed: int = 0) -> Vectors:
    """Vectors of unit length as embeddings hold them, and noisy answers to them."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(num_vectors, num_features))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    num_classes = 2 if task == "binary" else 3
    noisy = vectors[:, :num_classes] + 0.1 * random.normal(size=(num_vectors, num_classes))
    targets = (noisy > 0.1).astype(np.int64) if task == "multilabel" else noisy.argmax(1)
    return Vectors(vectors, targets, np.ones((num_vectors, num_classes), np.float32))


def right(examples: Vectors, probabilities: Any) -> float:
    if examples.targets.ndim == 2:
        return float(((probabilities >= 0.5) == examples.targets).mean())
    return float((probabilities.argmax(1) == examples.targets).mean())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", CLASSICAL)
def test_every_family_learns_every_task_and_answers_new_vectors(family: Family, task: Task) -> None:
    learnt, new = labelled(task), labelled(task, seed=1)
    num_classes = learnt.weights.shape[1]
    head = fit_head(family, learnt, task, num_classes, FEW)
    answers = head.probabilities(new.vectors)
    assert answers.dtype == np.float32
    assert answers.shape == (len(new), num_classes)
    assert answers.min() >= 0
    assert answers.max() <= 1 + 1e-6
    if task != "multilabel":
        np.testing.assert_allclose(answers.sum(1), 1, atol=1e-5)
    assert right(new, answers) > (0.6 if task == "multiclass" else 0.7)
    assert head.notes == ()
    onnx.checker.check_model(head.graph)
    assert [value.name for value in (*head.graph.graph.input, *head.graph.graph.output)] == ["vectors", "probabilities"]
    assert fit_head(family, learnt, task, num_classes, FEW).graph.SerializeToString() == head.graph.SerializeToString()


def reference(family: str) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    return {
        "decision_tree": DecisionTreeClassifier(min_samples_leaf=2, random_state=0),
        "random_forest": RandomForestClassifier(8, min_samples_leaf=2, random_state=0),
        "gradient_boosting": HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=5, early_stopping=False, random_state=0),
        "k_nearest": KNeighborsClassifier(3),
    }[family]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("family", ["decision_tree", "random_forest", "gradient_boosting", "k_nearest"])
def test_the_graph_answers_as_scikit_learn_does(family: Family, task: Task) -> None:
    learnt, new = labelled(task), labelled(task, seed=1)
    if family == "gradient_boosting":  # few values, so that its bins are scikit-learn's
        learnt, new = (Vectors((one.vectors * 20).round(), one.targets, one.weights) for one in (learnt, new))
    weights = np.random.default_rng(2).uniform(0.5, 2, len(learnt)) if family != "k_nearest" else np.ones(len(learnt))
    learnt = Vectors(learnt.vectors, learnt.targets, np.repeat(weights[:, None], learnt.weights.shape[1], 1).astype(np.float32))
    head = fit_head(family, learnt, task, learnt.weights.shape[1], FEW)
    given = {} if family == "k_nearest" else {"sample_weight": learnt.weights[:, 0]}
    expected = reference(family).fit(learnt.vectors, learnt.targets, **given).predict_proba(new.vectors)
    np.testing.assert_allclose(head.probabilities(new.vectors), expected, atol=1e-6)


def test_an_rbf_svm_separates_what_no_line_does() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 2)).astype(np.float32)
    examples = Vectors(vectors, (np.linalg.norm(vectors, axis=1) > 1.2).astype(np.int64), np.ones((400, 2), np.float32))
    settings = HeadSettings(regularization=0.1)
    found = {family: right(examples, fit_head(family, examples, "binary", 2, settings).probabilities(vectors)) for family in CLASSICAL[1:3]}
    assert found["linear_svm"] < 0.7
    assert found["rbf_svm"] > 0.97


@pytest.mark.parametrize("family", CLASSICAL)
def test_labels_and_classes_without_examples_keep_their_places(family: Family) -> None:
    labels = labelled("multilabel")
    targets = np.stack([np.ones(len(labels), np.int64), labels.targets[:, 0], np.zeros(len(labels), np.int64)], axis=1)
    answers = fit_head(family, Vectors(labels.vectors, targets, labels.weights), "multilabel", 3, FEW).probabilities(labels.vectors)
    assert answers[:, 0].min() > 0.95
    assert answers[:, 2].max() < 0.05
    assert ((answers[:, 1] >= 0.5) == targets[:, 1]).mean() > 0.75
    classes = labelled("binary")
    answers = fit_head(family, Vectors(classes.vectors, 2 * classes.targets, labels.weights), "multiclass", 3, FEW).probabilities(
        classes.vectors
    )
    assert answers[:, 1].max() < 0.05
    assert (answers.argmax(1) == 2 * classes.targets).mean() > 0.75


@pytest.mark.parametrize("family", CLASSICAL)
def test_weights_move_the_answer(family: Family) -> None:
    learnt = labelled("binary")
    heavy = Vectors(learnt.vectors, learnt.targets, np.where(learnt.targets[:, None] == 1, 20.0, 1.0).repeat(2, 1).astype(np.float32))
    plain, moved = (fit_head(family, one, "binary", 2, HeadSettings(num_trees=8, min_leaf=10)) for one in (learnt, heavy))
    gain = (moved.probabilities(learnt.vectors) - plain.probabilities(learnt.vectors))[:, 1].mean()
    assert gain > 0.05


def test_what_is_approximated_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principal_components, "MAX_NUMBERS", 1000)
    monkeypatch.setattr(principal_components, "NUM_COMPONENTS", 6)
    monkeypatch.setattr(classical, "NUM_LANDMARKS", 100)
    monkeypatch.setattr(classical, "MAX_LEAVES", 500)
    monkeypatch.setattr(classical, "BOOSTING_WORK", 45_000)
    learnt = labelled("multiclass")
    for family, told in {
        "rbf_svm": ["100 of 240 vectors"],
        "decision_tree": ["6 principal components", "at most 166 leaves"],
        "random_forest": ["6 principal components", "at most 20 leaves"],
        "gradient_boosting": ["6 principal components", "10 of 12 trees"],
        "k_nearest": ["6 principal components"],
    }.items():
        head = fit_head(family, learnt, "multiclass", 3, HeadSettings(num_trees=12 if family == "gradient_boosting" else 8))  # type: ignore[arg-type]
        assert all(any(part in note for note in head.notes) for part in told), (family, head.notes)
        assert right(learnt, head.probabilities(learnt.vectors)) > 0.5


def test_principal_components_are_scikit_learn_s(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.decomposition import PCA

    monkeypatch.setattr(principal_components, "MAX_NUMBERS", 1000)
    monkeypatch.setattr(principal_components, "NUM_COMPONENTS", 5)
    vectors = labelled("binary").vectors
    found, expected = principal_components.Components.of(vectors, seed=0)(vectors), PCA(5).fit_transform(vectors)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)


def test_settings_that_a_person_gave_are_not_searched() -> None:
    assert [one.regularization for one in candidates("linear_svm", {"regularization": 7.0}, seed=0)] == [7.0]
    assert len(candidates("linear_svm", {"regularization": "auto"}, seed=0)) > 1
    assert {one.num_trees for one in candidates("random_forest", {"num_trees": 9}, seed=3)} == {9}
    assert {one.seed for one in candidates("random_forest", {}, seed=3)} == {3}


def test_vectors_are_rounded_as_embeddings_are() -> None:
    learnt = labelled("multiclass")
    vectors = labelled("multiclass", seed=5).vectors + np.float32(1e-5)
    head = fit_head("decision_tree", learnt, "multiclass", 3, FEW)
    rounded = vectors.astype(np.float16).astype(np.float32)
    assert not np.array_equal(rounded, vectors)
    linear = fit_head("logistic_regression", learnt, "multiclass", 3, FEW)
    for one in (head, linear):
        np.testing.assert_array_equal(one.probabilities(vectors), one.probabilities(rounded))
