"""The layers of a network that never learn: they map images to features, which the rest of it takes in their place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import takewhile
from typing import NamedTuple

import torch
from torch import Tensor, nn

from darkroom.networks.cost import count_macs
from darkroom.networks.network import build
from darkroom.system.errors import InputError
from darkroom.training import layers

SIDES_PX = (64, 224)  # at which facts are found: networks of one size, and those of deep ones that shrink images much, need the second
NUM_IMAGES = 2  # of noise, on which a trunk is tried
TOLERANCE = 1e-4  # between answers with and without it, as a share of the largest


class FrozenTrunk:
    """The first layers of a network, one after the other.

    Args:
        stages: In the order in which they compute.
    """

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        self._stages = stages

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Maps normalised images `(N, 3, S, S)` to features, `(N, ...)`."""
        features = images
        for stage in self._stages:
            features = stage.eval()(features)
        return features

    @contextmanager
    def bypassed(self) -> Iterator[None]:
        """While it is entered, the network, and copies that are made of it, take features in place of images."""
        for stage in self._stages:
            stage.forward = _same
        try:
            yield
        finally:
            for stage in self._stages:
                del stage.forward


class TrunkFacts(NamedTuple):
    """What the frozen layers of an architecture are.

    Attributes:
        macs_share: Of the network's multiply-adds that they take, 0 to 1.
        num_features: Numbers that they make of one pixel.
    """

    macs_share: float
    num_features: float


def find_trunk(network: nn.Module, side_px: int, frozen_share: float) -> FrozenTrunk | None:
    """The layers before a depth, where the network computes them one after the other and needs nothing else of the image.

    Args:
        network: Is left as it is.
        side_px: Of its images.
        frozen_share: Depth before which no layer learns, see `darkroom.training.layers.depths`.

    Returns:
        None where no layer is frozen, or where the rest of the network can't do with their features, as it is in vision transformers
        that add positions to them.
    """
    learning = {id(network.get_parameter(name)) for name, depth in layers.depths(network).items() if depth >= frozen_share}
    stages = list(takewhile(lambda stage: not any(id(value) in learning for value in stage.parameters()), _stages(network)))
    trunk = FrozenTrunk(stages)
    if not any(True for stage in stages for _ in stage.parameters()):
        return None
    modes = {module: module.training for module in network.modules()}
    try:
        return trunk if _is_enough(network.eval(), trunk, side_px) else None
    except (RuntimeError, TypeError, ValueError, AssertionError):  # of torch, timm and torchvision: shapes that don't fit
        return None
    finally:
        for module, mode in modes.items():
            module.training = mode


@cache
def trunk_facts(architecture: str, frozen_share: float) -> TrunkFacts:
    """What the frozen layers of an architecture are; nothing where `find_trunk` finds none."""
    network, side = _smallest(architecture)
    trunk = find_trunk(network, side, frozen_share)
    if trunk is None:
        return TrunkFacts(0.0, 0.0)
    features = trunk(torch.zeros(1, 3, side, side))
    whole = count_macs(network, side)
    with trunk.bypassed():
        return TrunkFacts(1 - count_macs(network, side, features) / whole, features.numel() / side**2)


def _smallest(architecture: str) -> tuple[nn.Module, int]:
    """A network with random weights in `eval` mode, and the smallest of the usual sides that it takes."""
    for side in SIDES_PX:
        try:
            with torch.random.fork_rng(devices=[]):
                network = build(architecture, 2, side_px=side).eval()
            network(torch.zeros(1, 3, side, side))
        except (InputError, RuntimeError, ValueError, AssertionError):  # of this side; of the last one, it is the caller's
            if side == SIDES_PX[-1]:
                raise
        else:
            break
    return network, side


@torch.no_grad()
def _is_enough(network: nn.Module, trunk: FrozenTrunk, side_px: int) -> bool:
    """Whether the network answers the same from features as from images of noise."""
    device = next(network.parameters()).device
    images = torch.randn(NUM_IMAGES, 3, side_px, side_px, generator=torch.Generator().manual_seed(0)).to(device)
    expected, features = network(images), trunk(images)
    with trunk.bypassed():
        found = network(features)
    return bool(torch.allclose(found, expected, rtol=0, atol=TOLERANCE * float(expected.abs().max())))


def _stages(network: nn.Module) -> Iterator[nn.Module]:
    """The modules of a network in their order; sequences of modules are taken apart."""
    for module in network.children():
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
            yield from _stages(module)
        else:
            yield module


def _same(features: Tensor) -> Tensor:
    return features
