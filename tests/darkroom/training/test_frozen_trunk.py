"""The layers of a network that never learn, taken apart from the rest."""

import copy

import pytest
import torch

from darkroom.networks.network import build
from darkroom.training.frozen_trunk import find_trunk, trunk_facts

SIDE = 64


def images():
    return torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "frozen"), [("small_cnn", 0.5), ("lite0", 0.68), ("resnet18", 0.5), ("convnext_tiny", 0.3)])
@torch.no_grad()
def test_the_rest_of_a_network_answers_from_features_as_the_whole_does_from_images(name, frozen):
    network = build(name, 3, side_px=SIDE).eval()
    trunk = find_trunk(network, SIDE, frozen)
    expected, features = network(images()), trunk(images())
    with trunk.bypassed():
        torch.testing.assert_close(network(features), expected)
        torch.testing.assert_close(copy.deepcopy(network)(features), expected)
    assert torch.equal(network(images()), expected)


@pytest.mark.parametrize(("name", "frozen"), [("vit_tiny_patch16_224", 0.5), ("small_cnn", 0.0)])
def test_tokens_with_positions_and_layers_that_learn_are_no_trunk(name, frozen):
    network = build(name, 3, side_px=SIDE).train()
    before = copy.deepcopy(network.state_dict())
    assert find_trunk(network, SIDE, frozen) is None
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_trunk_s_share_of_the_multiply_adds_grows_with_its_layers():
    shares = [trunk_facts("tf_efficientnet_lite0", frozen).macs_share for frozen in (0.2, 0.5, 0.68)]
    assert 0.1 < shares[0] < shares[1] < shares[2] < 0.7
    assert trunk_facts("tf_efficientnet_lite0", 0.68).num_features == 112 / 16**2
    assert trunk_facts("vit_tiny_patch16_224", 0.5) == (0.0, 0.0)
