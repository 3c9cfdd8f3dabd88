"""What a model answers, and which threshold decided where that is not the most probable label."""

from pathlib import Path

import numpy as np
import pytest

from darkroom.model import ModelCard, labels_of
from darkroom.system.errors import InputError
from darkroom.task import Task
from darkroom.tracking.runs import client
from pipelines.predict.answers import predict_files, threshold_note
from tests.pipelines.conftest import Toys


@pytest.mark.parametrize(
    ("task", "thresholds", "probabilities", "note"),
    [
        ("binary", (0.6,), (0.492, 0.508), "dog is the most probable, but the answer is cat: dog 0.508 is below its threshold 0.600"),
        ("binary", (0.4,), (0.55, 0.45), "cat is the most probable, but the answer is dog: dog 0.450 reaches its threshold 0.400"),
        ("binary", (0.4,), (0.45, 0.55), ""),
        ("binary", (0.6,), (0.7, 0.3), ""),
        ("multilabel", (0.3, 0.9), (0.4, 0.8), "dog is the most probable, but it is not among the answers: dog 0.800 is below its threshold 0.900"),  # noqa: E501
        ("multilabel", (0.3, 0.5), (0.4, 0.8), ""),
        ("multiclass", (), (0.4, 0.6), ""),
    ],
)  # fmt: skip
def test_the_threshold_that_decided_is_told(task: Task, thresholds: tuple[float, ...], probabilities: tuple[float, ...], note: str) -> None:
    card = ModelCard("small_cnn", ("cat", "dog"), task, 16, (0.5,) * 3, (0.5,) * 3, thresholds)
    row = np.array(probabilities, np.float32)
    chosen = labels_of(card, row[None])[0]
    labels = [card.classes[index] for index in (chosen.nonzero()[0] if task == "multilabel" else [chosen])]
    assert threshold_note(card, row, labels) == note


def test_a_model_s_name_alone_is_its_champion_or_else_its_newest_challenger_and_that_is_told(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images, store = [toys.source / "cat"], client()
    assert predict_files("toys", images).version == "toys version 1 answers (champion)"
    assert predict_files("toys@champion", images).version == ""
    store.delete_registered_model_alias("toys", "champion")
    store.set_registered_model_alias("toys", "challenger", "1")
    try:
        found = predict_files("toys", images)
        assert found.version == "toys version 1 answers (challenger; toys has no champion)"
        assert {answer["labels"][0] for answer in found.answers} == {"cat"}
    finally:
        store.set_registered_model_alias("toys", "champion", "1")
        store.delete_registered_model_alias("toys", "challenger")


def test_a_folder_of_images_does_not_hide_the_model_of_its_name(toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toys").mkdir()
    assert predict_files("toys", [toys.source / "cat"]).version == "toys version 1 answers (champion)"
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=r"photos is no model: the folder has no model\.json, and the registry has toys"):
        predict_files("photos", [toys.source / "cat"])
