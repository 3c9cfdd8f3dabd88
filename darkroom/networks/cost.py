"""What a network costs: multiply-adds and weights."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from darkroom.networks.network import build


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


def takes_side(architecture: str, side_px: int, other_px: int) -> bool:
    """Whether an architecture that is made for a side takes images of another; vision transformers don't."""
    with torch.device("meta"):
        network = build(architecture, 2, side_px=side_px).eval()
        try:
            network(torch.zeros(1, 3, other_px, other_px))
        except (RuntimeError, AssertionError, ValueError):  # of torch, of torchvision and timm
            return False
    return True


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
