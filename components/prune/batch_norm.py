"""Batch normalisation after pruning: its running mean and variance describe channels that have changed, and are measured again."""

import torch
from torch import nn

from darkroom.training.batches import Normalise
from darkroom.training.examples import Inputs

BATCH_SIZE = 64
MAX_IMAGES = 512


@torch.no_grad()
def recalibrate(network: nn.Module, examples: Inputs, normalise: Normalise) -> None:
    """Gives every batch normalisation the statistics of training images, in place; no weight changes.

    Args:
        network: On the CPU, in `eval` mode; is left in it.
        examples: Training images, of which at most 512, evenly spaced, are used.
        normalise: Maps images in 0..1 to the network's inputs.

    Source:
        Li et al. 2020, EagleEye: fast sub-net evaluation for efficient neural network pruning, https://arxiv.org/abs/2007.02491
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    rows = torch.linspace(0, len(examples) - 1, min(len(examples), MAX_IMAGES)).round().to(torch.int64)
    number = max(1, len(rows) // BATCH_SIZE)
    for first in range(number):  # images are in the order of their classes, and each batch is to hold all of these
        network(examples.plain(rows[first::number], normalise, torch.device("cpu")))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
