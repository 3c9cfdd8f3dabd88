"""Several processes of one training: how many there are, and that the step does with them what it does with one."""

import csv

import pytest
import torch

from components.train.config import TrainConfig
from components.train.sharing import is_alone, num_processes
from darkroom import model
from darkroom.system.errors import InputError
from tests.components.train import toys
from tests.components.train.test_train import run


@pytest.fixture
def gpus(monkeypatch):
    """Lets torch see four GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


@pytest.mark.parametrize(
    ("settings", "num_images", "number"),
    [
        ({}, 100, 4),
        ({}, 7, 3),
        ({"num_processes": 2}, 100, 2),
        ({"device": "cpu"}, 100, 1),
        ({"device": "cpu", "num_processes": 8}, 100, 8),
        ({"accumulate": 4}, 100, 2),
        ({"num_nodes": 4}, 100, 2),
    ],
)
@pytest.mark.usefixtures("gpus")
def test_auto_is_a_process_a_gpu_as_far_as_there_are_images(settings, num_images, number):
    config = TrainConfig(**settings)
    assert num_processes(config, num_images, batch_size=10 if num_images > 10 else 4) == number
    assert is_alone(config) == (number == 1)


@pytest.mark.parametrize("settings", [{"num_processes": 5}, {"num_processes": 3, "accumulate": 4}, {"num_nodes": 11}])
@pytest.mark.usefixtures("gpus")
def test_more_processes_than_gpus_or_images_are_refused(settings):
    with pytest.raises(InputError, match=r"train\.num_processes"):
        num_processes(TrainConfig(**settings), 100, batch_size=10)


@pytest.mark.slow
def test_a_step_with_two_processes_ends_as_one_with_one_does(tmp_path):
    inputs, settings = toys.make(tmp_path, num_train=48, num_validation=24), {"optimizer": "sgd", "learning_rate": 0.005}
    places, told = [tmp_path / "one", tmp_path / "two"], []
    one = run(inputs, places[0], num_processes=1, **settings)
    two = run(inputs, places[1], lambda epoch, row: told.append(epoch), num_processes=2, **settings)
    assert two == pytest.approx(one, rel=1e-3)
    curves = [[float(row["train_loss"]) for row in csv.DictReader((place / "history.csv").read_text().splitlines())] for place in places]
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
    assert told == [1, 2, 3]
    assert model.read_card(places[1] / "model").provenance["settings"]["num_processes"] == 2
