"""Classical models learnt from embeddings: which settings are taken, on which images, with which thresholds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkroom import embeddings
from darkroom.embeddings import Embeddings, Origin
from darkroom.manifest import Manifest, make_table
from darkroom.preprocessing.recipe import Recipe
from darkroom.task import Task
from darkroom.training import heads
from darkroom.training.heads import fit_best, read_vector_problem

NUM, FEATURES = 300, 8
AUTO: dict[str, Any] = {"regularization": "auto", "num_trees": 8, "num_neighbours": "auto"}


def stored(folder: Path, task: Task = "multiclass", seed: int = 0) -> tuple[Embeddings, Manifest]:
    """Embeddings, and the table of their images: 60 % train, 30 % validation, the rest test."""
    random = np.random.default_rng(seed)
    classes = ("cat", "dog") if task == "binary" else ("cat", "dog", "owl")
    vectors = random.normal(size=(NUM, FEATURES))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    noisy = vectors[:, : len(classes)] + 0.15 * random.normal(size=(NUM, len(classes)))
    names = [f"{number:04d}" for number in range(NUM)]
    origin = Origin("handcrafted", "0" * 64, "features", Recipe(16), "float32", "cpu", FEATURES)
    grey, colours = np.zeros((NUM, 32, 32), np.uint8), np.zeros((NUM, 8, 8, 3), np.uint8)
    embeddings.write(folder, origin, [embeddings.make_batch(names, vectors, np.ones(NUM), grey, colours, [0] * NUM)])
    given = [[name for name, on in zip(classes, row, strict=True) if on] for row in noisy > 0.2]
    columns: dict[str, Any] = {
        "path": names,
        "image_id": names,
        "width": [16] * NUM,
        "height": [16] * NUM,
        "split": ["validation" if number % 10 in (1, 4, 7) else "test" if number % 10 == 9 else "train" for number in range(NUM)],
    }
    columns |= {"labels": given} if task == "multilabel" else {"label": [classes[row] for row in noisy.argmax(1)]}
    return Embeddings(folder), Manifest(make_table(columns), classes, task, "a" * 32)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_a_model_is_chosen_and_its_thresholds_tuned_on_the_validation_images(tmp_path: Path, task: Task) -> None:
    problem = read_vector_problem(*stored(tmp_path / "embeddings", task), "auto")
    assert (len(problem.train), len(problem.validation)) == (180, 90)
    found = fit_best("logistic_regression", problem, AUTO, "f1_macro", 30, 0)
    assert len(found.thresholds) == {"binary": 1, "multiclass": 0, "multilabel": 3}[task]
    assert found.validated.row["validation_f1_macro"] > 0.7
    assert found.validated.predictions is not None
    assert found.validated.predictions.image_ids == problem.image_ids
    again = fit_best("logistic_regression", problem, AUTO, "f1_macro", 30, 0)
    assert again.head.graph.SerializeToString() == found.head.graph.SerializeToString()
    others = [fit_best("logistic_regression", problem, {**AUTO, "regularization": value}, "loss", 30, 0) for value in (0.001, 1000.0)]
    best = fit_best("logistic_regression", problem, AUTO, "loss", 30, 0)
    assert best.validated.row["validation_loss"] <= min(one.validated.row["validation_loss"] for one in others)


def test_the_test_split_and_images_without_a_vector_are_not_looked_at(tmp_path: Path) -> None:
    known, table = stored(tmp_path / "embeddings")
    names = ["unknown" if number < 20 else name for number, name in enumerate(table.column("image_id"))]
    fewer = Manifest(
        table.table.set_column(table.table.schema.get_field_index("image_id"), "image_id", [names]), table.classes, table.task, "x"
    )
    problem = read_vector_problem(known, fewer, "none")
    assert (len(problem.train), len(problem.validation)) == (168, 84)
    assert "unknown" not in problem.image_ids
    assert not {f"{number:04d}" for number in range(NUM) if number % 10 == 9} & set(problem.image_ids)


def test_rare_classes_weigh_more_unless_that_is_not_wanted(tmp_path: Path) -> None:
    known, table = stored(tmp_path / "embeddings", "multilabel")
    assert read_vector_problem(known, table, "none").train.weights.min() == 1
    train = read_vector_problem(known, table, "auto").train
    rare = train.targets.mean(0) < 0.5
    assert (train.weights[train.targets[:, rare.argmax()] == 1, rare.argmax()] > 1).all()


def test_without_validation_images_the_first_settings_are_taken(tmp_path: Path) -> None:
    known, table = stored(tmp_path / "embeddings", "binary")
    split = ["train"] * NUM
    only = Manifest(table.table.set_column(table.table.schema.get_field_index("split"), "split", [split]), table.classes, table.task, "x")
    found = fit_best("linear_svm", read_vector_problem(known, only, "auto"), AUTO, "f1_macro", 30, 0)
    assert (found.thresholds, found.validated.row, found.validated.predictions) == ((0.5,), {}, None)


def test_settings_are_tried_on_a_sample_and_the_model_is_fitted_on_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = read_vector_problem(*stored(tmp_path / "embeddings"), "auto")
    sizes = list[int]()
    fit = heads.fit_head

    def counted(family: Any, examples: Any, *rest: Any) -> Any:
        sizes.append(len(examples))
        return fit(family, examples, *rest)

    monkeypatch.setattr(heads, "fit_head", counted)
    fit_best("k_nearest", problem, AUTO, "accuracy", 30, 0)
    assert sizes == [180, 180, 180]
    sizes.clear()
    monkeypatch.setattr(heads, "TUNED_ON", 50)
    fit_best("k_nearest", problem, AUTO, "accuracy", 30, 0)
    assert sizes == [50, 50, 50, 180]
