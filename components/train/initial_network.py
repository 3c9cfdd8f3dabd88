"""The network that a training starts from."""

import torch
from torch import nn

from components.train.config import TrainConfig
from darkroom.networks import weights
from darkroom.networks.network import build


def initial_network(architecture: str, config: TrainConfig, num_classes: int, side_px: int) -> tuple[nn.Module, bool]:
    """Builds a network with the weights that `train.weights` names; what is random depends on the seed alone.

    Args:
        architecture: As the model's card has it.
        config: Weights, dropout and seed.
        num_classes: Outputs.
        side_px: Side of its images.

    Returns:
        The network, and whether its last layer has random weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = build(architecture, num_classes, side_px=side_px, dropout=config.dropout)
    return network, weights.load(network, architecture, config.weights)
