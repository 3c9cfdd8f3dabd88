"""The training of a network, from what it starts from."""

import numpy as np
import pytest
import torch

from components.train.config import TrainConfig
from components.train.network_training import Prepared, train_network
from darkroom.augmentation.policy import Policy
from darkroom.networks.network import build
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.training.examples import Examples
from darkroom.training.hyperparameters import Settings
from darkroom.training.problem import Problem

SIDE = 32


def prepared(name, **given):
    images = Examples(torch.zeros(6, SIDE, SIDE, 3, dtype=torch.uint8), torch.arange(6) % 2)
    known = Problem(images, images, np.arange(6), Policy(operations=()), ("a", "b"), "multiclass", (0.5,) * 3, (0.5,) * 3)
    settings = Settings(1, head_rate_factor=10.0)
    return Prepared(build(name, 2, side_px=SIDE), name, known, settings, **{"has_random_head": True, "starts_linearly": True, **given})


def test_a_linear_start_of_a_network_that_ends_in_a_convolution_is_refused():
    with pytest.raises(InputError, match=r"train\.head_start is linear, and .* squeezenet1_1"):
        train_network(prepared("squeezenet1_1"), parse(TrainConfig, "train", {"head_start": "linear"}))


def test_a_share_of_a_start_that_knows_nothing_of_the_classes_is_refused():
    config = parse(TrainConfig, "train", {"start_share": 0.3, "num_processes": 1, "device": "cpu"})
    with pytest.raises(InputError, match=r"train\.start_share is 0\.3, and the last layer of small_cnn starts at random"):
        train_network(prepared("small_cnn", starts_linearly=False), config)
    assert train_network(prepared("small_cnn", starts_linearly=False, has_random_head=False), config).averaged.share in (0, 0.3)


@pytest.mark.parametrize(
    ("given", "factor"),
    [({}, 1), ({"starts_linearly": False}, 10), ({"starts_linearly": False, "has_random_head": False}, 1)],
    ids=["fitted", "random", "given"],
)
def test_only_a_last_layer_of_random_weights_learns_faster(given, factor):
    config = parse(TrainConfig, "train", {"num_processes": 1, "device": "cpu"})
    assert train_network(prepared("small_cnn", **given), config).settings.head_rate_factor == factor
