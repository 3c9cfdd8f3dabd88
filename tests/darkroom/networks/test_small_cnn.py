"""The small network: how many stages it has, and how it takes an earlier version's weights."""

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from darkroom.model import ModelCard
from darkroom.networks import weights
from darkroom.networks.export import load_network, save_model
from darkroom.networks.network import build, without_last_layer
from darkroom.networks.probe import Probe
from darkroom.networks.small_cnn import SmallCNN


@pytest.mark.parametrize(("side_px", "number"), [(16, 3), (20, 4), (32, 4), (64, 4)])
def test_the_last_stage_sees_more_than_one_point(side_px, number):
    network = SmallCNN(3, side_px)
    images = torch.zeros(1, 3, side_px, side_px)
    assert len(network.stages) == number and network.stages(network.stem(images)).shape[-1] > 1
    assert network(images).shape == (1, 3)


def test_a_model_of_an_earlier_version_has_the_stages_that_it_had(tmp_path):
    torch.manual_seed(0)
    before = SmallCNN(2, 32).eval()
    save_model(tmp_path / "model", before, ModelCard("small_cnn", ("a", "b"), "binary", 16, (0.5,) * 3, (0.5,) * 3, (0.5,)))
    after, card = load_network(tmp_path / "model")
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(after(images), before(images)) and card.side_px == 16


def test_a_probe_on_an_earlier_versions_trunk_has_the_stages_that_it_had(tmp_path):
    torch.manual_seed(0)
    before = Probe(without_last_layer(SmallCNN(2, 32)), 256, 3).eval()
    card = ModelCard("probe(small_cnn)", ("a", "b", "c"), "multiclass", 16, (0.5,) * 3, (0.5,) * 3)
    save_model(tmp_path / "model", before, card)
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(load_network(tmp_path / "model")[0](images), before(images))


@pytest.mark.parametrize(("num_stages", "num_classes", "is_fresh"), [(4, 3, False), (4, 5, True), (3, 3, False)])
def test_a_training_starts_from_weights_with_the_stages_that_they_have(tmp_path, num_stages, num_classes, is_fresh):
    torch.manual_seed(0)
    source = SmallCNN(3, 32 if num_stages == 4 else 16).eval()
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    network = build("small_cnn", num_classes, side_px=16, dropout=0.2)
    assert weights.load(network, "small_cnn", str(tmp_path / "weights.safetensors")) == is_fresh
    assert len(network.stages) == num_stages and network.head[0].p == 0.2
    images = torch.rand(2, 3, 16, 16)
    assert network.eval()(images).shape == (2, num_classes)
    assert torch.equal(network.stages(network.stem(images)), source.stages(source.stem(images)))


def test_a_pruned_model_keeps_its_stages(tmp_path):
    card = ModelCard("small_cnn", ("a", "b"), "binary", 16, (0.5,) * 3, (0.5,) * 3, (0.5,))
    pruned = SmallCNN(2, 16, widths=(4, 8, 12, 16)).eval()
    save_model(tmp_path / "model", pruned, dataclasses.replace(card, pruning={"met": True}))
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(load_network(tmp_path / "model")[0](images), pruned(images))
