"""The model's folder as an application sees it, without torch."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from darkroom.model import GRAPH, ModelCard, Predictor, labels_of, read_card
from darkroom.networks import export
from darkroom.pixels import UnreadableError, pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError
from tests.components.train import toys

CARD = ModelCard("small_cnn", ("a", "b", "ü"), "multiclass", 8, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), (), {"seed": 3, "nested": {"x": [1, 2]}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model"
    export.save_model(path, export.build("small_cnn", 3, side_px=8), CARD)
    return path


def test_a_card_comes_back_as_it_was_written(folder):
    assert read_card(folder) == CARD


@pytest.mark.parametrize(("task", "thresholds"), [("binary", ()), ("multiclass", (0.5,)), ("multilabel", (0.5,))])
def test_a_card_has_the_thresholds_of_its_task(task, thresholds):
    with pytest.raises(ValueError, match=f"a {task} model of 3 classes has . thresholds, not {len(thresholds)}"):
        dataclasses.replace(CARD, task=task, thresholds=thresholds)


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(InputError, match=r"is no model: it has no model\.json"):
        Predictor(tmp_path)


def test_files_are_answered_as_their_pixels_are_in_batches_of_any_size(folder):
    rng = np.random.default_rng(0)
    data = [toys.picture([number % 3], rng, 11) for number in range(5)]
    predictor = Predictor(folder, num_threads=1)
    expected = predictor.probabilities(np.stack([pixels(file, Recipe(8)) for file in data]))
    assert expected.shape == (5, 3) and expected.dtype == np.float32
    np.testing.assert_allclose(expected.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(predictor.predict(iter(data), batch_size=2), expected, atol=1e-6)


def test_no_file_gives_no_row(folder):
    assert Predictor(folder).predict([]).shape == (0, 3)


def test_a_file_that_is_no_image_is_an_error(folder):
    with pytest.raises(UnreadableError):
        Predictor(folder).predict([b"no image"])


@pytest.mark.parametrize(
    ("task", "classes", "thresholds", "probabilities", "answers"),
    [
        ("multiclass", ("a", "b", "c"), (), [[0.3, 0.5, 0.2], [0.4, 0.2, 0.4]], [1, 0]),
        ("binary", ("a", "b"), (0.3,), [[0.7, 0.3], [0.71, 0.29]], [1, 0]),
        ("multilabel", ("a", "b"), (0.2, 0.9), [[0.2, 0.89], [0.1, 0.9]], [[1, 0], [0, 1]]),
    ],
)
def test_answers_follow_the_task_and_its_thresholds(task, classes, thresholds, probabilities, answers):
    card = dataclasses.replace(CARD, task=task, classes=classes, thresholds=thresholds)
    found = labels_of(card, np.array(probabilities))
    assert found.dtype == np.int64 and found.tolist() == answers


def test_predicting_needs_no_torch(folder):
    script = "import sys, pathlib, darkroom.model as m; m.Predictor(pathlib.Path(sys.argv[1])); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True)


def test_a_graph_is_one_file_without_paths_of_this_machine(folder):
    data = (folder / GRAPH).read_bytes()
    assert b"/home" not in data and b"site-packages" not in data and b".py" not in data
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.onnx", "weights.safetensors"]
