"""What is measured equals derivatives and covariances that are computed otherwise, and weights stand in for removed channels."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.prune.channels import shrink
from components.prune.sensitivity import LayerInputs, measure_inputs, stand_in
from darkroom.training.examples import Examples


class Wide(nn.Module):
    """A convolution, a depthwise one, one over their outputs, and a last layer."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.each = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.second = nn.Conv2d(width, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(N, 3, S, S)` to `(N, 3)`."""
        out: Tensor = self.head(self.second(self.each(self.first(x).relu())).relu().mean((2, 3)))
        return out


@pytest.fixture
def examples() -> Examples:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (12, 6, 6, 3), generator=generator).to(torch.uint8)
    return Examples(pixels, torch.arange(12) % 3)


@pytest.fixture
def network() -> Wide:
    torch.manual_seed(0)
    return Wide().eval()


def plain(images: Tensor) -> Tensor:
    return images


def test_slopes_are_those_of_the_loss_by_a_factor_on_a_channel(network: Wide, examples: Examples) -> None:
    found = measure_inputs(network, examples, F.cross_entropy, plain, num_images=12)
    assert set(found) == {network.first, network.second, network.head}
    images, targets = examples.pick(torch.arange(12), torch.device("cpu")), examples.targets[:12]

    def losses(factor: float) -> Tensor:
        hidden = network.each(network.first(images).relu())
        hidden[:, 5] *= factor
        logits = network.head(network.second(hidden).relu().mean((2, 3)))
        return F.cross_entropy(logits, targets, reduction="none")

    with torch.no_grad():
        expected = (losses(1.001) - losses(0.999)) / 0.002
    torch.testing.assert_close(found[network.second].slopes[:, 5], expected, atol=2e-4, rtol=0)
    assert found[network.head].slopes.shape == (12, 8)
    assert all(value.requires_grad and value.grad is None for value in network.parameters())


def test_mean_and_covariance_are_those_of_what_the_layer_reads(network: Wide, examples: Examples) -> None:
    found = measure_inputs(network, examples, F.cross_entropy, plain, num_images=12)[network.head]
    images = examples.pick(torch.arange(12), torch.device("cpu"))
    with torch.no_grad():
        read = network.second(network.each(network.first(images).relu())).relu().mean((2, 3))
    torch.testing.assert_close(found.mean, read.mean(0))
    torch.testing.assert_close(found.covariance, torch.cov(read.T, correction=0), atol=1e-5, rtol=1e-4)


def test_of_very_many_channels_the_covariance_is_left_out_and_the_mean_alone_stands_in(
    network: Wide, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.prune.sensitivity.MAX_CHANNELS", 8)
    found = measure_inputs(network, examples, F.cross_entropy, plain, num_images=12)
    assert found[network.head].covariance is not None
    assert found[network.second].covariance is None
    weights, bias = network.second.weight.clone(), network.second.bias.clone()  # type: ignore[union-attr]
    stand_in(network.second, found[network.second], torch.tensor([2]))
    assert torch.equal(network.second.weight, weights)
    torch.testing.assert_close(network.second.bias, bias + weights[:, 2].sum((1, 2)) * found[network.second].mean[2])


def test_no_more_images_are_looked_at_than_asked_for(network: Wide, examples: Examples) -> None:
    assert measure_inputs(network, examples, F.cross_entropy, plain, num_images=5)[network.head].slopes.shape == (5, 8)


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_the_remaining_channels_stand_in_for_one_that_depends_on_them(kind: str) -> None:
    torch.manual_seed(0)
    free = torch.randn(500, 3)
    read = torch.cat([free, (2 * free[:, :1] - free[:, 1:2] + 5)], dim=1)
    layer: nn.Linear | nn.Conv2d = nn.Linear(4, 2) if kind == "linear" else nn.Conv2d(4, 2, 1)

    def answers(values: Tensor) -> Tensor:
        return layer(values) if kind == "linear" else layer(values[..., None, None]).flatten(1)

    with torch.no_grad():
        before = answers(read)
        stand_in(layer, LayerInputs(torch.zeros(1, 4), read.mean(0), torch.cov(read.T, correction=0)), torch.tensor([3]))
        read[:, 3] = 0
        assert (answers(read) - before).abs().max() < 0.1 < before.std()
        assert (answers(read) - before).mean().abs() < 1e-3


def test_fisher_removes_channels_that_the_loss_does_not_need(network: Wide, examples: Examples) -> None:
    useless = [1, 4, 6, 7, 9, 12, 13, 15]  # large weights that lead nowhere
    with torch.no_grad():
        network.first.weight[useless] *= 10
        network.second.weight[:, useless] *= 1e-3
    kept = [row for row in range(16) if row not in useless]
    strong = network.first.weight[kept].clone()
    inputs = measure_inputs(network, examples, F.cross_entropy, plain, num_images=12)
    shrink(network, 6, target_macs_ratio=0.55, importance="fisher", ranking="global", round_to=1, name="wide", inputs=inputs)
    left = network.first.weight
    assert len(left) < 16
    assert sum(any(torch.equal(row, other) for other in left) for row in strong) >= min(8, len(left)) - 1
    assert network(torch.zeros(2, 3, 6, 6)).shape == (2, 3)
