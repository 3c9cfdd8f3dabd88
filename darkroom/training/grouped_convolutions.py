"""Convolutions in groups, depthwise ones among them, in the midst of a network that computes in bfloat16 on a CPU.

Their gradients take several times as long in bfloat16 as in float32 there: of a step of lite0 at 128 px two thirds of the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType

import torch
from torch import Tensor, nn


@contextmanager
def in_float32(network: nn.Module, device: torch.device, half: torch.dtype | None) -> Iterator[None]:
    """While it is entered, such layers compute in float32 wherever they learn; all others as before.

    Args:
        network: Whose steps `torch.autocast` shortens.
        device: Where it is.
        half: The short type that it computes in, or none.
    """
    changed = [module for module in network.modules() if _is_grouped(module)] if half and device.type == "cpu" else []
    for module in changed:
        module.forward = MethodType(_forward, module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _is_grouped(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups > 1 and "forward" not in vars(module)


def _forward(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """What the layer computes, in float32 where gradients come back through it."""
    if not torch.is_grad_enabled() or not (images.requires_grad or layer.weight.requires_grad):
        return type(layer).forward(layer, images)
    with torch.autocast("cpu", enabled=False):
        return type(layer).forward(layer, images.float())
