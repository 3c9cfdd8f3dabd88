"""The folds of cross-validation: every image for training or validation in one, stratified, groups together."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darkroom.system.errors import InputError
from tests.components.split.test_split import made, rows, run


def test_each_image_for_training_or_validation_is_held_out_once_in_strata(tmp_path: Path) -> None:
    result, _ = run(tmp_path, made(rows({"cat": 60, "dog": 31})), num_folds=5)
    frame = result.frame()
    apart = frame["split"] == "test"
    assert frame.loc[apart, "validation_fold"].isna().all()
    assert frame.loc[~apart, "validation_fold"].notna().all()
    counts = pd.crosstab(frame["label"], frame["validation_fold"])
    assert counts.shape == (2, 5)
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1


def test_images_of_a_group_are_held_out_together(tmp_path: Path) -> None:
    frame = rows({"cat": 90, "dog": 90})
    frame["group"] = np.random.default_rng(0).integers(0, 40, len(frame)).astype(str)
    result, _ = run(tmp_path, made(frame), num_folds=4)
    divided = result.frame().dropna(subset="validation_fold")
    assert divided.groupby("group")["validation_fold"].nunique().max() == 1
    assert divided["validation_fold"].nunique() == 4


def test_labels_of_multilabel_images_are_spread_over_the_folds(tmp_path: Path) -> None:
    frame = rows({"x": 120}).drop(columns="label")
    frame["labels"] = [["a"] + ["b"] * (number % 3 == 0) + ["c"] * (number % 10 == 0) for number in range(len(frame))]
    result, _ = run(tmp_path, made(frame, "multilabel", ("a", "b", "c")), num_folds=3)
    divided = result.frame().dropna(subset="validation_fold")
    rare = divided[divided["labels"].map(lambda labels: "c" in labels)]
    counts = rare["validation_fold"].value_counts()
    assert len(counts) == 3
    assert counts.max() - counts.min() <= 1


def test_none_are_made_unless_asked_for(tmp_path: Path) -> None:
    assert "validation_fold" not in run(tmp_path, made(rows({"cat": 20, "dog": 20})))[0].table.column_names


@pytest.mark.parametrize("num_folds", [1, 50])
def test_too_many_folds_or_one_are_refused(tmp_path: Path, num_folds: int) -> None:
    with pytest.raises(InputError, match=r"split\.num_folds"):
        run(tmp_path, made(rows({"cat": 20, "dog": 20})), num_folds=num_folds)
