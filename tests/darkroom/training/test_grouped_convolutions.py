"""Convolutions in groups learn in float32 beside others in bfloat16."""

import copy

import pytest
import torch
from torch import Tensor, nn

from darkroom.networks.bfloat16 import has_bfloat16
from darkroom.training.grouped_convolutions import in_float32

CPU = torch.device("cpu")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8, padding=1), nn.Conv2d(8, 4, 1))


def types_of(layers: nn.Sequential, images: Tensor, half: torch.dtype | None) -> list[torch.dtype]:
    """Of what each layer gives."""
    found = list[torch.dtype]()
    hooks = [layer.register_forward_hook(lambda module, inputs, output: found.append(output.dtype)) for layer in layers]
    with torch.autocast("cpu", torch.bfloat16, enabled=half is not None):
        layers(images)
    for hook in hooks:
        hook.remove()
    return found


def test_they_alone_compute_in_float32_and_only_where_gradients_come_back() -> None:
    layers, images = network(), torch.rand(2, 3, 6, 6)
    short, long = torch.bfloat16, torch.float32
    with in_float32(layers, CPU, short):
        assert types_of(layers, images, short) == [short, long, short]
        with torch.no_grad():
            assert types_of(layers, images, short) == [short, short, short]
        layers.requires_grad_(False)
        assert types_of(layers, images, short) == [short, short, short]
    assert types_of(layers, images, short) == [short, short, short]
    assert not any("forward" in vars(layer) for layer in layers)


@pytest.mark.parametrize(("device", "half"), [(CPU, None), (torch.device("cuda"), torch.bfloat16)])
def test_nothing_changes_in_float32_and_on_a_gpu(device: torch.device, half: torch.dtype | None) -> None:
    layers = network()
    with in_float32(layers, device, half):
        assert not any("forward" in vars(layer) for layer in layers)


def test_a_layer_that_is_bypassed_stays_so() -> None:
    layers = network()
    layers[1].forward = lambda images: images  # type: ignore[method-assign]
    with in_float32(layers, CPU, torch.bfloat16):
        assert torch.equal(layers[1](torch.ones(1, 8, 2, 2)), torch.ones(1, 8, 2, 2))
    assert "forward" in vars(layers[1])


@pytest.mark.skipif(not has_bfloat16("cpu"), reason="the processor has no instructions for bfloat16")
def test_gradients_are_those_of_float32_but_for_rounding() -> None:
    layers, images = network(), torch.rand(4, 3, 6, 6)
    exact = copy.deepcopy(layers)
    exact(images).square().sum().backward()
    with in_float32(layers, CPU, torch.bfloat16), torch.autocast("cpu", torch.bfloat16):
        layers(images).float().square().sum().backward()
    for found, wanted in zip(layers.parameters(), exact.parameters(), strict=True):
        assert torch.allclose(found.grad, wanted.grad, atol=0.02 * float(wanted.grad.abs().max()), rtol=0)
