"""Learning rates, decayed weights and averaged weights, in exact values."""

import pytest
import torch
from torch import nn

from darkroom.training.optimizers import make_optimizer, moving_average, rate_factor


@pytest.mark.parametrize(
    ("schedule", "epoch", "factor"),
    [
        ("cosine", 0, 0.0),
        ("cosine", 1, 0.5),
        ("cosine", 2, 1.0),
        ("cosine", 6, 0.5),
        ("cosine", 10, 0.0),
        ("one_cycle", 0, 0.04),
        ("one_cycle", 3, 1.0),
        ("one_cycle", 6.5, 0.5),
        ("constant", 9, 1.0),
        ("step", 4.9, 1.0),
        ("step", 5, 0.1),
        ("step", 7.5, 0.01),
    ],
)
def test_the_rate_rises_over_the_warm_up_and_falls_with_the_schedule(schedule, epoch, factor):
    assert rate_factor(schedule, epoch, 10, 2) == pytest.approx(factor)


def test_a_warm_up_takes_half_of_the_epochs_at_most():
    assert rate_factor("cosine", 1, 2, 50) == 1.0
    assert rate_factor("cosine", 0.5, 1, 0) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_biases_and_normalisation_are_not_decayed(name):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimizer = make_optimizer(network, name, learning_rate=0.1, weight_decay=0.5, momentum=0.9)
    assert [(group["weight_decay"], len(group["params"])) for group in optimizer.param_groups] == [(0.5, 1), (0.0, 3)]


def test_an_average_follows_slowly_and_counts_as_the_network_does():
    network = nn.BatchNorm1d(1)
    average = moving_average(network, decay=0.75)
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.num_batches_tracked.fill_(7)
    average.n_averaged.fill_(1000)
    average.update_parameters(network)
    assert average.module.weight.item() == 1.25
    assert average.module.num_batches_tracked.item() == 7


def test_an_average_starts_quickly():
    network = nn.Linear(1, 1, bias=False)
    average = moving_average(network, decay=0.999)
    start = network.weight.item()
    with torch.no_grad():
        network.weight.add_(11)
    average.update_parameters(network)
    assert average.module.weight.item() == pytest.approx(start + 10)


def test_muon_moves_hidden_matrices_along_orthogonal_directions_and_the_rest_as_adamw_does():
    def stepped(name):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(8, 6), nn.Linear(6, 2)]
        network = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        before = {key: value.detach().clone() for key, value in network.named_parameters()}
        shares = {key: 0.5 if key.startswith("0.") else 1.0 for key in before}
        optimizer = make_optimizer(network, name, learning_rate=0.1, weight_decay=0.0, momentum=0.9, shares=shares)
        for key, value in network.named_parameters():
            value.grad = torch.randn(value.shape, generator=torch.Generator().manual_seed(len(key)))
        optimizer.step()
        return {key: before[key] - value.detach() for key, value in network.named_parameters()}

    muon, adamw = stepped("muon"), stepped("adamw")
    assert [key for key in muon if not torch.allclose(muon[key], adamw[key], atol=1e-6)] == ["0.weight", "4.weight"]
    for key, share in (("0.weight", 0.5), ("4.weight", 1.0)):
        singular = torch.linalg.svdvals(muon[key].flatten(1)) / (0.1 * share)
        assert singular.max() / singular.min() < 2
