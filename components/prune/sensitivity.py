"""What removing a channel costs: measured on training images, at the inputs of the layers that read it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from darkroom.training.batches import Normalise
from darkroom.training.examples import Inputs

BATCH_SIZE = 16  # images whose slopes are in memory at once
MAX_POSITIONS = 32  # of an image, at which the covariance is taken
MAX_CHANNELS = 4096  # of a layer whose covariance is taken: the time grows with their cube
RIDGE = 0.01  # share of the mean variance that is added to each, where there are hardly more positions than channels


@dataclass
class LayerInputs:
    """The channels that a convolution or linear layer reads.

    Attributes:
        slopes: `(N, C) float32`, the slope of each image's loss by a factor on each channel as this layer reads it.
        mean: `(C,) float32` over images and positions.
        covariance: `(C, C) float32` over images and positions; none where there are too many channels.
    """

    slopes: Tensor
    mean: Tensor
    covariance: Tensor | None

    def without(self, channels: Tensor) -> "LayerInputs":
        """The same with fewer channels, whose numbers are given."""
        rest = remaining(len(self.mean), channels)
        covariance = None if self.covariance is None else self.covariance[rest][:, rest]
        return LayerInputs(self.slopes[:, rest], self.mean[rest], covariance)

    def shares(self, channels: Tensor) -> Tensor:
        """By how much each remaining channel `(R, n)` counts for channels that are about to be removed: a least squares fit."""
        rest = remaining(len(self.mean), channels)
        if self.covariance is None:
            return torch.zeros(len(rest), len(channels))
        known = self.covariance[rest][:, rest]
        ridge = (RIDGE * known.diagonal().mean()).clamp_min(1e-12) * torch.eye(len(rest))
        solved: Tensor = torch.linalg.solve(known + ridge, self.covariance[rest][:, channels])
        return solved


def remaining(num_channels: int, removed: Tensor) -> Tensor:
    """The numbers of the channels that stay, ascending."""
    stays = torch.ones(num_channels, dtype=torch.bool)
    stays[removed] = False
    return stays.nonzero().flatten()


def mixes_channels(module: nn.Module) -> bool:
    """Whether each of a layer's outputs reads all of its inputs, as in a linear layer or a convolution without groups."""
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)


@torch.no_grad()
def stand_in(layer: nn.Linear | nn.Conv2d, inputs: LayerInputs, channels: Tensor) -> None:
    """Adds to a layer's weights what channels that are about to be removed have in common with the others.

    Args:
        layer: Is changed; the weights of the channels themselves stay.
        inputs: What it reads.
        channels: Numbers of the input channels that are about to be removed.

    Source:
        He et al. 2017, Channel pruning for accelerating very deep neural networks, https://arxiv.org/abs/1707.06168
    """
    rest, shares = remaining(len(inputs.mean), channels), inputs.shares(channels)
    lost = layer.weight[:, channels]
    layer.weight[:, rest] += torch.einsum("or...,kr->ok...", lost, shares)
    if layer.bias is not None:
        offset = inputs.mean[channels] - shares.T @ inputs.mean[rest]
        layer.bias += lost.reshape(*lost.shape[:2], -1).sum(2) @ offset


@dataclass
class _Sums:
    """Sums over the images so far."""

    slopes: list[Tensor] = field(default_factory=list)
    count: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(()))
    squares: Tensor = field(default_factory=lambda: torch.zeros(()))

    def add(self, read: Tensor, generator: torch.Generator) -> None:
        """Adds what a layer has read, `(n, ..., C)`, at a few of the positions of each image."""
        rows = read.flatten(1, -2) if read.ndim > 2 else read[:, None]
        if rows.shape[1] > MAX_POSITIONS:
            rows = rows[:, torch.randperm(rows.shape[1], generator=generator)[:MAX_POSITIONS].to(rows.device)]
        rows = rows.flatten(0, 1).float()
        self.count, self.total = self.count + len(rows), rows.sum(0) + self.total
        if rows.shape[1] <= MAX_CHANNELS:
            self.squares = rows.T @ rows + self.squares

    def inputs(self) -> LayerInputs:
        """What has been measured, on the CPU."""
        mean = self.total / self.count
        covariance = (self.squares / self.count - torch.outer(mean, mean)).cpu() if self.squares.ndim else None
        return LayerInputs(torch.cat(self.slopes).cpu(), mean.cpu(), covariance)


def measure_inputs(
    network: nn.Module,
    examples: Inputs,
    loss: Callable[[Tensor, Tensor], Tensor],
    normalise: Normalise,
    num_images: int,
) -> dict[nn.Module, LayerInputs]:
    """Measures the inputs of each layer that mixes channels.

    Args:
        network: In `eval` mode; its weights stay.
        examples: Training images, of which at most `num_images`, evenly spaced, are used.
        loss: Maps logits and their truth to the mean loss.
        normalise: Maps images in 0..1 to the network's inputs.
        num_images: How many at most.
    """
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(0)
    sums = dict[nn.Module, _Sums]()
    rows = torch.linspace(0, len(examples) - 1, min(len(examples), num_images)).round().to(torch.int64)
    with torch.enable_grad(), _frozen(network):
        for some in rows.tensor_split(max(1, -(-len(rows) // BATCH_SIZE))):
            images, targets = examples.plain(some, normalise, device), examples.targets[some].to(device)
            with _factors(network, sums, generator) as factors:
                (len(some) * loss(network(images), targets)).backward()  # type: ignore[no-untyped-call]
            for module, factor in factors:
                sums[module].slopes.append(_by_image(factor, len(some)))
    return {module: found.inputs() for module, found in sums.items() if sum(map(len, found.slopes)) == len(rows)}


def _by_image(factor: Tensor, num_images: int) -> Tensor:
    """The slopes `(N, C)` of factors on the windows of images, of which each image has equally many, `(N * windows, ..., C)`."""
    assert factor.grad is not None
    channels = factor.shape[1] if factor.ndim == 4 and factor.shape[2:] == (1, 1) else factor.shape[-1]
    return factor.grad.reshape(num_images, -1, channels).sum(1)


@contextmanager
def _factors(network: nn.Module, sums: dict[nn.Module, _Sums], generator: torch.Generator) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Multiplies what each layer reads by factors of 1, one an image and channel, and notes what it reads."""
    made: list[tuple[nn.Module, Tensor]] = []

    def multiply(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        read = inputs[0]
        is_map = isinstance(module, nn.Conv2d)
        shape = (*read.shape[:2], 1, 1) if is_map else (len(read), *(1,) * (read.ndim - 2), read.shape[-1])
        factor = torch.ones(shape, device=read.device, requires_grad=True)
        sums.setdefault(module, _Sums()).add(read.detach().movedim(1, -1) if is_map else read.detach(), generator)
        made.append((module, factor))
        return (read * factor, *inputs[1:])

    hooks = [module.register_forward_pre_hook(multiply) for module in network.modules() if mixes_channels(module)]
    try:
        yield made
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Lets no weight ask for a gradient while the block runs."""
    asking = [value for value in network.parameters() if value.requires_grad]
    for value in asking:
        value.requires_grad_(False)
    try:
        yield
    finally:
        for value in asking:
            value.requires_grad_(True)
