"""What `clean` proposes is applied to training images, and to no other."""

from pathlib import Path

import numpy as np
import pytest

from components.split.config import SplitConfig
from components.split.split import split
from darkroom import manifest
from darkroom.manifest import Manifest, make_table
from darkroom.system.errors import InputError
from tests.components.split.test_split import made, rows, run


def proposing(action: str, every: int = 5) -> Manifest:
    frame = rows({"a": 60, "b": 60})
    chosen = np.arange(len(frame)) % every == 0
    frame["proposed_action"] = np.where(chosen, action, None)
    frame["proposed_label"] = np.where(chosen & (action == "relabel"), np.where(frame["label"] == "a", "b", "a"), None)
    return made(frame, "binary")


def test_training_images_are_relabelled_and_no_others(tmp_path: Path) -> None:
    data = proposing("relabel")
    result, measures = run(tmp_path, data)
    before = data.frame()
    after = result.frame()
    changed = before["label"] != after["label"]
    assert (changed == ((after["split"] == "train") & before["proposed_action"].notna())).all()
    assert measures["num_relabelled"] == changed.sum() > 0
    assert measures["num_unapplied_proposals"] == 24 - changed.sum() > 0
    assert measures["num_left_out"] == 0
    assert sum("relabelled" in note.text for note in result.notes) == 1


def test_training_images_are_left_out_and_no_others(tmp_path: Path) -> None:
    data = proposing("drop")
    plain, _ = run(tmp_path, proposing("drop", every=1000), out="plain")
    result, measures = run(tmp_path, data)
    proposed = data.frame()["proposed_action"].notna()
    expected = np.where(proposed & (plain.frame()["split"] == "train"), "excluded", plain.frame()["split"])
    first = plain.frame()["proposed_action"].notna()
    assert (result.frame()["split"][~first] == expected[~first]).all()
    assert measures["num_left_out"] == measures["num_excluded"] > 0
    assert (result.frame()["label"] == data.frame()["label"]).all()


def test_labels_of_multilabel_training_images_are_replaced(tmp_path: Path) -> None:
    frame = rows({"x": 90})
    table = make_table(
        {
            "path": frame["path"].tolist(),
            "image_id": frame["image_id"].tolist(),
            "labels": [["a"] if number % 2 else ["a", "b"] for number in range(90)],
            "proposed_action": ["relabel" if number % 3 == 0 else None for number in range(90)],
            "proposed_labels": [["b"] if number % 3 == 0 else None for number in range(90)],
        }
    )
    result, measures = run(tmp_path, Manifest(table, ("a", "b"), "multilabel", "v1"))
    replaced = [row for row, labels in enumerate(result.column("labels")) if labels == ["b"]]
    assert replaced == [row for row, split in enumerate(result.column("split")) if split == "train" and row % 3 == 0]
    assert measures["num_relabelled"] == len(replaced) > 0


@pytest.mark.parametrize("action", ["drop", "relabel"])
def test_a_class_that_nothing_would_be_left_to_train_on_is_refused_and_keeps_its_test_images(tmp_path: Path, action: str) -> None:
    frame = rows({"a": 30, "b": 30})
    frame["proposed_action"] = np.where(frame["label"] == "a", action, None)
    frame["proposed_label"] = np.where((frame["label"] == "a") & (action == "relabel"), "b", None)
    with pytest.raises(InputError, match=r"leave out or relabel all \d+ training images of class 'a'.*clean\.min_side_px"):
        run(tmp_path, made(frame, "binary"))


def test_several_labels_of_which_nothing_would_be_left_to_train_on_are_refused(tmp_path: Path) -> None:
    frame = rows({"x": 60}).drop(columns="label").assign(labels=[["a"], ["b"]] * 30, proposed_labels=[[]] * 60, proposed_action="drop")
    with pytest.raises(InputError, match=r"relabel all 42 training images, so that none would be left: set clean\.mislabelled"):
        run(tmp_path, made(frame, "multilabel", ("a", "b")))


def test_the_few_training_images_of_a_class_stay_where_all_are_proposed_to_be_left_out(tmp_path: Path) -> None:
    frame = rows({"a": 30, "b": 30, "c": 5})
    frame["proposed_action"] = np.where((frame["label"] == "c") | (np.arange(len(frame)) == 0), "drop", None)
    frame["proposed_label"] = None
    result, measures = run(tmp_path, made(frame))
    splits = result.frame()[result.frame()["label"] == "c"]["split"]
    assert set(splits) == {"train", "validation", "test"}
    assert measures["num_left_out"] + measures["num_unapplied_proposals"] == 6
    assert any("for all of the few training images of a class" in note.text for note in result.notes)


def test_proposals_for_a_frozen_evaluation_set_are_counted(tmp_path: Path) -> None:
    made(rows({"a": 30, "b": 30}), "binary").write(tmp_path / "cleaned")
    own = rows({"a": 4, "b": 4})
    own["image_id"] = [f"own {name}" for name in own["image_id"]]
    own["path"], own["proposed_action"], own["proposed_label"] = own["image_id"], ["drop", "relabel"] * 4, [None, "a"] * 4
    made(own, "binary").write(tmp_path / "own")
    measures = split(tmp_path / "cleaned", tmp_path / "splits", config=SplitConfig(), evaluation_cleaned=tmp_path / "own")
    assert measures["num_unapplied_proposals"] == 8


def test_without_proposals_no_label_changes(tmp_path: Path) -> None:
    data = made(rows({"a": 30, "b": 30}), "binary")
    result, measures = run(tmp_path, data)
    assert manifest.read(tmp_path / "splits.parquet").column("label") == data.column("label")
    assert (measures["num_relabelled"], measures["num_left_out"], measures["num_unapplied_proposals"]) == (0, 0, 0)
    assert not [note for note in result.notes if "proposes" in note.text]
