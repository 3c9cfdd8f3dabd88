"""Layers in their order: which of them learn in an epoch, and how fast."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from darkroom.networks.network import last_layer

NUM_RATES = 10  # different learning rates of a trunk at most, so that an optimizer has few groups
HEAD = 2.0  # depth of the last layer, behind all of the trunk


def depths(network: nn.Module) -> dict[str, float]:
    """How deep the layer of each parameter lies.

    Args:
        network: Its modules stand in the order in which they compute.

    Returns:
        By the parameter's name, from 0 (the first layer) to 1 (the last one of the trunk), or `HEAD` in the layer that makes the
        logits. A normalisation, and what has no matrix, is as deep as the layer before it.
    """
    head = last_layer(network)[0]
    number, found = -1, dict[str, int]()
    for name, value in network.named_parameters():
        number += value.ndim > 1 and name.rpartition(".")[0] != head
        found[name] = max(number, 0)
    deepest = max(number, 1)
    return {name: HEAD if name.rpartition(".")[0] == head else number / deepest for name, number in found.items()}


def rate_shares(network: nn.Module, *, head_rate_factor: float, layer_decay: float) -> dict[str, float]:
    """The learning rate of each parameter as a share of that of the trunk's last layer.

    Args:
        network: Whose parameters are meant.
        head_rate_factor: Share of the layer that makes the logits.
        layer_decay: Share of the first layer; of those between, geometrically.

    Source: Howard and Ruder 2018, "Universal Language Model Fine-tuning", discriminative rates.
    """

    def share(depth: float) -> float:
        return head_rate_factor if depth == HEAD else layer_decay ** (1 - round(depth * NUM_RATES) / NUM_RATES)

    return {name: share(depth) for name, depth in depths(network).items()}


def learn_from(network: nn.Module, depth: float, *, freeze_batch_norm: bool) -> None:
    """Puts a network into training mode of which only the layers from a depth on learn.

    Args:
        network: Is changed: parameters of frozen layers ask for no gradient, and these layers work as they do for predictions.
        depth: See `depths`; 0 for all layers.
        freeze_batch_norm: Whether all batch normalisation keeps its statistics.
    """
    network.train()
    for name, found in depths(network).items():
        network.get_parameter(name).requires_grad_(found >= depth)
    for module in network.modules():
        learning = [value.requires_grad for value in module.parameters()]
        if (learning and not any(learning)) or (freeze_batch_norm and isinstance(module, _BatchNorm)):
            module.eval()


def first_learning_depth(epoch: int, *, freeze_epochs: int, unfreeze_epochs: int, frozen_share: float) -> float:
    """From which depth on layers learn in an epoch.

    Args:
        epoch: From 0.
        freeze_epochs: Epochs in which the last layer alone learns.
        unfreeze_epochs: Epochs after these in which ever earlier layers join, the first ones last.
        frozen_share: Depth before which no layer ever learns.
    """
    if epoch < freeze_epochs:
        return HEAD
    joined = 1 - (epoch - freeze_epochs + 1) / (unfreeze_epochs + 1) if unfreeze_epochs else 0.0
    return max(frozen_share, joined)
