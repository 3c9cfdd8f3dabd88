"""How weights move: the optimizer, the learning rate's schedule, and the running mean of the weights."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from darkroom.training.hyperparameters import OptimizerName, Schedule


def make_optimizer(network: nn.Module, name: OptimizerName, *, learning_rate: float, weight_decay: float, momentum: float) -> Optimizer:
    """Makes an optimizer; biases and normalisation weights are not decayed.

    Args:
        network: Whose weights it moves.
        name: `adam`, `adamw`, or `sgd` (with Nesterov momentum).
        learning_rate: At the schedule's peak.
        weight_decay: As the optimizer means it: decoupled for `adamw`, in the gradient for the others.
        momentum: Of `sgd`, 0 to 1.
    """
    wide = [value for value in network.parameters() if value.ndim > 1]
    narrow = [value for value in network.parameters() if value.ndim <= 1]
    groups = [{"params": wide, "weight_decay": weight_decay}, {"params": narrow, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, nesterov=momentum > 0)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(groups, lr=learning_rate, fused=True)


def rate_factor(schedule: Schedule, epoch: float, epochs: int, warmup_epochs: float) -> float:
    """The learning rate as a share of its peak.

    Args:
        schedule: `cosine` falls to 0 along half a wave, `step` to a tenth at half and again at three quarters of the
            epochs, `constant` stays.
        epoch: How many epochs have passed, 0 to `epochs`, with fractions.
        epochs: How many there will be.
        warmup_epochs: Over how many it rises linearly at first; at most half of all.

    Source: Loshchilov and Hutter 2017, "SGDR", for the cosine.
    """
    warmup = min(warmup_epochs, epochs / 2)
    if epoch < warmup:
        return epoch / warmup
    done = (epoch - warmup) / (epochs - warmup)
    if schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    return 0.1 ** ((epoch >= 0.5 * epochs) + (epoch >= 0.75 * epochs)) if schedule == "step" else 1.0


class MovingAverage:
    """The exponential moving mean of a network's weights, which generalises better than the last weights.

    Args:
        network: Is copied; its present weights are the mean's start.
        decay: Share of the old mean that stays with each step, 0 (no averaging) to 1; lower in the first steps.

    Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima"; the warm-up is timm's.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Takes a network's weights in, after its step number `step`, from 1."""
        decay = min(self._decay, step / (step + 10))
        mean, new = self._floats(self.network), self._floats(network)
        torch._foreach_lerp_(mean, new, 1 - decay)
        for kept, current in zip(self.network.buffers(), network.buffers(), strict=True):
            if not kept.is_floating_point():
                kept.copy_(current)

    @staticmethod
    def _floats(network: nn.Module) -> list[Tensor]:
        return [value.detach() for value in (*network.parameters(), *network.buffers()) if value.is_floating_point()]
