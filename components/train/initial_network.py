"""The network that a training starts from."""

from pathlib import Path

import torch
from torch import nn

from components.train.config import TrainConfig
from darkroom.model import WEIGHTS
from darkroom.networks import weights
from darkroom.networks.architectures import AUTO, canonical
from darkroom.networks.families import ON_VECTORS
from darkroom.networks.network import build
from darkroom.notes import Note, tell
from darkroom.pretrained_weights import PretrainedWeights, read_pretrained


def from_pretrained(config: TrainConfig, folder: Path | None) -> tuple[TrainConfig, tuple[Note, ...]]:
    """The settings with the network, the weights and the side that `pretrain` has left, and its notes; as they are where it was off.

    Args:
        config: Settings; a side that is set by hand stays.
        folder: See `darkroom.pretrained_weights`; or none.
    """
    learnt = read_pretrained(folder) if folder else PretrainedWeights()
    if folder is None or not learnt.architecture:
        return config, ()
    if config.model != AUTO and (config.model in ON_VECTORS or canonical(config.model) != learnt.architecture):
        why = f"train.model is {config.model}, so the weights that pretrain learnt ({learnt}) are not used"
        return config, (*learnt.notes, *tell("train", (), [why]))
    side = learnt.side_px if config.side_px == "auto" else config.side_px
    chosen = {"model": learnt.architecture, "weights": str(folder / WEIGHTS), "side_px": side}
    return config.model_copy(update=chosen), (*learnt.notes, *tell("train", [f"starts from what pretrain learnt: {learnt}"]))


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
