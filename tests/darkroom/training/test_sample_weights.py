"""Weights of training images: which values are taken, that 0 is as left out and 2 as shown twice, beside scikit-learn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from darkroom.manifest import Manifest, make_table
from darkroom.system.errors import InputError
from darkroom.training.classical import HeadSettings, fit_head
from darkroom.training.heads import read_vector_problem
from darkroom.training.sample_weights import counted, image_weights, told
from tests.darkroom.training.test_heads import stored


def table(values: list[Any], kind: pa.DataType | None = None, splits: str = "train") -> Manifest:
    """A row a value; the last two are of the test and the validation split, and have none."""
    number = len(values)
    columns = {
        "path": [f"{row}.png" for row in range(number + 2)],
        "image_id": [f"{row}" for row in range(number + 2)],
        "label": [("cat", "dog")[row % 2] for row in range(number + 2)],
        "split": [splits] * number + ["test", "validation"],
        "trust": [*values, None, None],
    }
    return Manifest(make_table(columns, {"trust": kind or pa.float64()}), ("cat", "dog"), "binary", "v1")


def test_the_mean_weight_of_the_training_images_is_one() -> None:
    assert image_weights(table([1.0, 2.0, 0.0]).where("train"), "trust").tolist() == [1.0, 2.0, 0.0]  # type: ignore[union-attr]
    found = image_weights(table([3, 1, 4, 0], pa.int32()).where("train"), "trust")
    np.testing.assert_array_equal(found, np.float32([1.5, 0.5, 2, 0]))
    large = image_weights(table([1e308, 1.5e308, 0.5e308]).where("train"), "trust")
    np.testing.assert_allclose(large, [1, 1.5, 0.5], rtol=1e-6)  # type: ignore[arg-type]
    assert image_weights(table([1.0]).where("train"), "") is None


def test_images_of_weight_0_are_left_out_and_told() -> None:
    rows = table([0.0, 3.0, 1.0, 0.0])
    assert counted(rows, "trust").column("split") == ["weightless", "train", "train", "weightless", "test", "validation"]
    assert counted(rows, "trust").learnt_from().column("image_id") == rows.learnt_from().column("image_id") == ["0", "1", "2", "3", "5"]
    assert counted(rows, "trust").column("trust") == rows.column("trust")
    assert counted(rows, "") is rows
    (said,) = told(rows.where("train"), "trust")
    assert "'trust' (train.weight_column), from 0.5 to 1.5 times the mean" in said
    assert said.endswith("; 2 of weight 0 are left out")
    assert told(rows.where("train"), "") == []


@pytest.mark.parametrize(
    ("values", "kind", "column", "message"),
    [
        ([1.0, -0.5], None, "trust", r"^train\.weight_column is 'trust', and 1\.png has -0\.5 in that column: give every training image"),
        ([np.inf, 1.0], None, "trust", r"^train\.weight_column is 'trust', and 0\.png has inf in that column: give every"),
        ([1, 2, None], pa.int64(), "trust", r"^train\.weight_column is 'trust', and 2\.png has no value in that column: give every"),
        (
            [0, 0],
            pa.int64(),
            "trust",
            r"^train\.weight_column is 'trust', and all 2 training images, such as 0\.png, have 0 in that column: ",
        ),
        (["1", "2"], pa.string(), "trust", r"^train\.weight_column is 'trust', and that column holds string values, no numbers: name a"),
        ([1.0], None, "label", r"^train\.weight_column is 'label', and the images have no such column: there are trust: name one"),
    ],
)
def test_values_that_are_no_weights_are_refused(values: list[Any], kind: pa.DataType | None, column: str, message: str) -> None:
    rows = table(values, kind)
    training = rows.where("train")
    for refused in (lambda: image_weights(training, column), lambda: counted(rows, column), lambda: told(training, column)):
        with pytest.raises(InputError, match=message):
            refused()


def with_trust(rows: Manifest, values: list[float]) -> Manifest:
    return replace(rows, table=rows.table.append_column("trust", pa.array(values, pa.float64())))


def repeated(rows: Manifest, times: list[int]) -> Manifest:
    """Each row so often; further ones have paths of their own."""
    found = rows.table.take(pa.array(np.repeat(np.arange(len(rows)), times)))
    paths = pa.array([f"{row}" for row in range(len(found))])
    return replace(rows, table=found.set_column(found.column_names.index("path"), "path", paths))


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("balance", ["auto", "none"])
@pytest.mark.parametrize("family", ["logistic_regression", "linear_svm"])
def test_a_linear_model_learns_an_image_of_weight_2_as_if_it_were_there_twice(tmp_path: Path, task: Any, balance: Any, family: Any) -> None:
    known, rows = stored(tmp_path / "embeddings", task)
    times = [row % 3 for row in range(len(rows))]
    weighed = read_vector_problem(known, counted(with_trust(rows, [float(one) for one in times]), "trust"), balance, "trust").train
    twice = read_vector_problem(known, repeated(rows, times), balance).train
    assert len(weighed) < len(twice)
    share = len(weighed) / len(twice)  # the weights' sums are the numbers of images
    found, expected = (
        fit_head("logistic_regression", one, task, 3, HeadSettings(regularization=strength)).probabilities(
            known.of(rows.column("image_id"))
        )
        for one, strength in ((weighed, share), (twice, 1.0))
    )
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_weighed_logistic_regression_is_scikit_learn_s(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    known, rows = stored(tmp_path / "embeddings")
    trust = np.random.default_rng(3).uniform(0.1, 5, len(rows))
    problem = read_vector_problem(known, with_trust(rows, trust.tolist()), "none", "trust")
    found = fit_head("logistic_regression", problem.train, "multiclass", 3, HeadSettings(regularization=0.1))
    own = np.array(rows.column("split")) == "train"
    reference = LogisticRegression(C=10, max_iter=10_000, tol=1e-8)
    reference.fit(problem.train.vectors.astype(np.float64), problem.train.targets, sample_weight=trust[own] / trust[own].mean())
    vectors = known.of(rows.column("image_id"))
    np.testing.assert_allclose(found.probabilities(vectors), reference.predict_proba(vectors.astype(np.float64)), atol=5e-4)
    np.testing.assert_array_equal(problem.validation.weights, np.ones_like(problem.validation.weights))


@pytest.mark.parametrize("family", ["decision_tree", "random_forest", "gradient_boosting", "rbf_svm"])
def test_other_classical_models_follow_the_weights(tmp_path: Path, family: Any) -> None:
    known, rows = stored(tmp_path / "embeddings")
    heavy = [1000.0 if label == "cat" else 1.0 for label in rows.column("label")]
    cats = []
    for values in ([1.0] * len(rows), heavy):
        problem = read_vector_problem(known, with_trust(rows, values), "none", "trust")
        head = fit_head(family, problem.train, "multiclass", 3, HeadSettings(num_trees=8, min_leaf=20))
        cats.append(head.probabilities(problem.validation.vectors)[:, 0].mean())
    assert cats[1] > cats[0] + 0.1
