"""What a network costs: multiply-adds and weights."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from darkroom.networks.network import build
from darkroom.system.errors import InputError

_ERRORS = (RuntimeError, AssertionError, ValueError, ArithmeticError)  # of torch, of torchvision and timm


class Facts(NamedTuple):
    """What is known of an architecture without its weights.

    Attributes:
        macs: Multiply-adds that one image takes.
        has_batch_norm: Whether it normalises by batches; transformers don't.
    """

    macs: int
    has_batch_norm: bool


@cache
def facts_of(architecture: str, side_px: int) -> Facts:
    """What an architecture costs at a side, without memory for its weights.

    Raises:
        InputError: No such architecture, or it can't be made for that size.
    """
    with torch.device("meta"):
        network = build(architecture, 2, side_px=side_px).eval()
        return Facts(count_macs(network, side_px), any(isinstance(module, _BatchNorm) for module in network.modules()))


def takes_side(architecture: str, side_px: int, other_px: int, *, unknown: bool = False) -> bool:
    """Whether an architecture that is made for a side takes images of another; vision transformers don't.

    Args:
        architecture: As a model's card has it.
        side_px: The side that it is made for.
        other_px: The other one.
        unknown: What is answered where that can't be found out without computing.

    Raises:
        InputError: It can't be made for that size.
    """
    with torch.device("meta"):
        network = build(architecture, 2, side_px=side_px).eval()
        try:
            network(torch.zeros(1, 3, other_px, other_px))
        except NotImplementedError:
            return unknown
        except _ERRORS:
            return False
    return True


@cache
def fits(architecture: str, side_px: int) -> bool:
    """Whether a network takes images of a side at all: some halve it more often than a small one can be."""
    try:
        return takes_side(architecture, side_px, side_px, unknown=True)
    except (*_ERRORS, InputError):  # where it is made
        return False


def count_macs(network: nn.Module, side_px: int, features: Tensor | None = None) -> int:
    """Multiply-adds that one image takes in convolutions, linear layers and attention.

    Args:
        network: In `eval` mode.
        side_px: Side of the image.
        features: What the network takes in place of an image, or none.
    """
    image = torch.zeros(1, 3, side_px, side_px, device=next(network.parameters()).device) if features is None else features
    # the counter sees neither attention's fast path, which gradients switch off, nor its fused kernels
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(image)
    return int(counter.get_total_flops()) // 2


def count_parameters(network: nn.Module) -> int:
    """Weights of a network."""
    return sum(value.numel() for value in network.parameters())
