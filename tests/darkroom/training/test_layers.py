"""Which layers learn, and how fast."""

import pytest
import torch
from torch import nn

from darkroom.networks.network import build, last_layer
from darkroom.training.layers import HEAD, depths, first_learning_depth, learn_from, rate_shares
from darkroom.training.optimizers import make_optimizer


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(4, 2)
    )


def test_depths_follow_the_layers_and_norms_belong_to_the_layer_before():
    found = depths(network())
    assert [found[f"{layer}.weight"] for layer in (0, 1, 2, 3, 4, 6)] == [0, 0, 0.5, 0.5, 1, HEAD]


@pytest.mark.parametrize("name", ["small_cnn", "lite0"])
def test_only_the_last_layer_is_the_head(name):
    made = build(name, 3, side_px=32)
    head = last_layer(made)[0]
    assert {key for key, depth in depths(made).items() if depth == HEAD} == {f"{head}.weight", f"{head}.bias"}


def test_rates_grow_geometrically_to_the_head():
    shares = rate_shares(network(), head_rate_factor=10, layer_decay=0.25)
    assert [shares[f"{layer}.weight"] for layer in (0, 2, 4, 6)] == pytest.approx([0.25, 0.5, 1, 10])
    optimizer = make_optimizer(network(), "adamw", learning_rate=0.1, weight_decay=0.5, momentum=0.9, shares=shares)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx([0.025, 0.05, 0.1, 1.0])


def test_frozen_layers_get_no_gradient_and_keep_their_statistics():
    made = network()
    learn_from(made, 0.5, freeze_batch_norm=False)
    assert [made[layer].weight.requires_grad for layer in (0, 1, 2, 3, 4, 6)] == [False, False, True, True, True, True]
    assert [made[layer].training for layer in (1, 3)] == [False, True]
    learn_from(made, 0, freeze_batch_norm=True)
    assert all(value.requires_grad for value in made.parameters()) and not made[1].training and made[0].training


def test_frozen_weights_stay_though_they_are_decayed():
    made = network()
    optimizer = make_optimizer(made, "adamw", learning_rate=0.1, weight_decay=0.5, momentum=0.9)
    learn_from(made, HEAD, freeze_batch_norm=False)
    before = made[0].weight.clone(), made[6].weight.clone()
    made(torch.randn(3, 3, 5, 5)).sum().backward()
    optimizer.step()
    assert torch.equal(made[0].weight, before[0]) and not torch.equal(made[6].weight, before[1])


def test_layers_are_unfrozen_from_the_last_to_the_first():
    depth = [first_learning_depth(epoch, freeze_epochs=2, unfreeze_epochs=3, frozen_share=0) for epoch in range(7)]
    assert depth == [HEAD, HEAD, 0.75, 0.5, 0.25, 0, 0]
    assert first_learning_depth(0, freeze_epochs=0, unfreeze_epochs=0, frozen_share=0) == 0


def test_the_first_layers_never_learn_where_a_share_of_them_is_frozen():
    depth = [first_learning_depth(epoch, freeze_epochs=1, unfreeze_epochs=3, frozen_share=0.4) for epoch in range(6)]
    assert depth == [HEAD, 0.75, 0.5, 0.4, 0.4, 0.4]
    assert first_learning_depth(0, freeze_epochs=0, unfreeze_epochs=0, frozen_share=0.4) == 0.4
