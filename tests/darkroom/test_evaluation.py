"""The evaluation's files come back as they were written; curves are finite and short."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

from darkroom.evaluation import (
    MAX_POINTS,
    PREDICTIONS,
    Predictions,
    confusion,
    precision_recall_points,
    read_predictions,
    roc_curve,
    roc_points,
    write_predictions,
)
from darkroom.task import Task

CLASSES = ("N/A", "null", "split")


def answers(task: Task, num_images: int = 40, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    classes = CLASSES[:2] if task == "binary" else CLASSES
    shape = (num_images, len(classes)) if task == "multilabel" else (num_images,)
    high = 2 if task == "multilabel" else len(classes)
    probabilities = rng.dirichlet(np.ones(len(classes)), size=num_images).astype(np.float32)
    names = tuple(f"image {number}" for number in range(num_images))
    y_true, y_pred = rng.integers(high, size=shape), rng.integers(high, size=shape)
    return Predictions(names, names, classes, task, y_true, y_pred, probabilities, np.arange(num_images) // 4)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_predictions_come_back_as_they_were_written(task: Task, tmp_path: Path) -> None:
    written = answers(task)
    write_predictions(tmp_path / PREDICTIONS, written)
    read = read_predictions(tmp_path)
    assert (read.image_ids, read.paths, read.classes, read.task) == (
        written.image_ids,
        written.paths,
        written.classes,
        task,
    )
    for name in ("y_true", "y_pred", "y_score", "units"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        assert getattr(read, name).dtype == getattr(written, name).dtype
    assert read.measures() == written.measures()


def test_rows_are_found_by_image_in_the_order_asked_for() -> None:
    every = answers("multiclass")
    some = every.at(["image 7", "image 2", "image 4"])
    assert some.paths == ("image 7", "image 2", "image 4")
    assert some.y_true.tolist() == [every.y_true[7], every.y_true[2], every.y_true[4]]
    np.testing.assert_array_equal(some.y_score, every.y_score[[7, 2, 4]])
    assert some.units.tolist() == [0, 1, 0]


@pytest.mark.parametrize("names", [[], ["image 3", "image 0"]])
def test_some_rows_and_none_have_their_columns_of_the_users_table(names: list[str]) -> None:
    every = replace(answers("multiclass"), user_columns=pa.table({"site": [f"site {number}" for number in range(40)]}))
    some = every.at(names)
    assert some.image_ids == tuple(names)
    assert some.user_columns is not None and some.user_columns["site"].to_pylist() == [name.replace("image", "site") for name in names]


def test_predictions_from_before_units_were_kept_count_each_image_by_itself(tmp_path: Path) -> None:
    write_predictions(tmp_path / PREDICTIONS, answers("multiclass"))
    table = pq.read_table(tmp_path / PREDICTIONS)
    pq.write_table(table.drop_columns(["unit"]), tmp_path / PREDICTIONS)
    assert read_predictions(tmp_path).units.tolist() == list(range(40))


def test_confusion_counts_rows_of_truth_and_columns_of_answers(tmp_path: Path) -> None:
    written = answers("multiclass")
    write_predictions(tmp_path / PREDICTIONS, written)
    classes, matrix = confusion(tmp_path)
    assert classes == list(CLASSES)
    assert matrix == metrics.confusion_matrix(written.y_true, written.y_pred).tolist()
    assert all(type(number) is int for row in matrix for number in row)


def test_the_curve_of_several_classes_is_their_micro_average(tmp_path: Path) -> None:
    written = answers("multiclass")
    write_predictions(tmp_path / PREDICTIONS, written)
    false, true, thresholds = roc_curve(tmp_path)
    y_true = np.eye(3)[written.y_true].ravel()
    assert metrics.auc(false, true) == pytest.approx(metrics.roc_auc_score(y_true, written.y_score.ravel()))
    assert np.isfinite(thresholds).all()
    assert all(np.diff(thresholds) <= 0)


def test_long_curves_are_thinned_without_losing_their_ends_or_their_area() -> None:
    rng = np.random.default_rng(0)
    y_true = rng.integers(2, size=20_000).astype(float)
    y_score = np.clip(0.3 * y_true + rng.random(20_000) * 0.7, 0, 1)
    false, true, _ = roc_points(y_true, y_score)
    assert 100 < len(false) <= MAX_POINTS
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert metrics.auc(false, true) == pytest.approx(metrics.roc_auc_score(y_true, y_score), abs=1e-3)
    recall, precision = precision_recall_points(y_true, y_score)
    assert 100 < len(recall) <= MAX_POINTS
    assert (recall[0], precision[0], recall[-1]) == (0, 1, 1)
    assert all(np.diff(recall) >= 0)


def test_decisions_that_are_all_alike_have_no_curve() -> None:
    assert [len(part) for part in roc_points(np.ones(3), np.array([0.1, 0.2, 0.3]))] == [0, 0, 0]
    assert [len(part) for part in precision_recall_points(np.zeros(3), np.array([0.1, 0.2, 0.3]))] == [0, 0]
