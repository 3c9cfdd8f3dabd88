"""How weights move: the optimizer, the learning rate's schedule, and the running mean of the weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from darkroom.training import layers
from darkroom.training.hyperparameters import OptimizerName, Schedule

ONE_CYCLE_RISE, ONE_CYCLE_START = 0.3, 0.04  # share of the epochs, and of the peak at which it starts: as in fastai and torch
MATRIX = {"use_muon": True, "nesterov": True}  # of a group of parameters: how timm's Muon moves them
ADAMW = {"use_muon": False, "nesterov": False, "betas": (0.9, 0.999), "eps": 1e-8}
Tensors = tuple[Tensor, ...] | list[Tensor]


def make_optimizer(
    network: nn.Module,
    name: OptimizerName,
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float,
    shares: Mapping[str, float] | None = None,
) -> Optimizer:
    """Makes an optimizer; biases and normalisation weights are not decayed.

    Args:
        network: Whose weights it moves.
        name: `adam`, `adamw`, `sgd` (with Nesterov momentum), or `muon` for hidden matrices, and convolutions as matrices, with
            `adamw` for the rest: biases, normalisation, depthwise convolutions and the last layer.
        learning_rate: At the schedule's peak.
        weight_decay: As the optimizer means it: decoupled for `adamw` and `muon`, in the gradient for the others.
        momentum: Of `sgd` and `muon`, 0 to 1.
        shares: Of the learning rate, by parameter; 1 without. Each group says its own under `share`.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al. 2025, "Muon is Scalable for
        LLM Training", for steps as long as those of `adamw`, so that its learning rates fit.
    """
    hidden = _hidden_matrices(network) if name == "muon" else set[str]()
    grouped: dict[tuple[bool, bool, float], list[Tensor]] = {}
    for parameter, value in network.named_parameters():
        grouped.setdefault((value.ndim <= 1, parameter in hidden, shares[parameter] if shares else 1.0), []).append(value)
    groups = [
        {
            "params": values,
            "weight_decay": 0.0 if narrow else weight_decay,
            "share": share,
            "lr": learning_rate * share,
            **({} if name != "muon" else MATRIX if matrix else ADAMW),
        }
        for (narrow, matrix, share), values in sorted(grouped.items(), key=lambda item: item[0])
    ]
    if name == "muon":
        from timm.optim.muon import Muon  # takes seconds, and the others do without

        return Muon(groups, lr=learning_rate, momentum=momentum)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, nesterov=momentum > 0)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(groups, lr=learning_rate, fused=True)


def _hidden_matrices(network: nn.Module) -> set[str]:
    """Parameters that map many features to many, but those of the last layer; a depthwise convolution maps one to one."""
    depths = layers.depths(network)
    return {name for name, value in network.named_parameters() if value.ndim > 1 and value.shape[1] > 1 and depths[name] != layers.HEAD}


def rate_factor(schedule: Schedule, epoch: float, epochs: int, warmup_epochs: float) -> float:
    """The learning rate as a share of its peak.

    Args:
        schedule: `cosine` falls to 0 along half a wave, `one_cycle` rises along half a wave over the first 0.3 of the epochs
            before it does so, `step` falls to a tenth at half and again at three quarters of the epochs, `constant` stays.
        epoch: How many epochs have passed, 0 to `epochs`, with fractions.
        epochs: How many there will be.
        warmup_epochs: Over how many it rises linearly at first; at most half of all; not asked by `one_cycle`.

    Source: Loshchilov and Hutter 2017, "SGDR", for the cosine; Smith 2018, "Super-Convergence", for one cycle.
    """
    if schedule == "one_cycle":
        done = epoch / epochs
        if done < ONE_CYCLE_RISE:
            return ONE_CYCLE_START + (1 - ONE_CYCLE_START) * (1 - math.cos(math.pi * done / ONE_CYCLE_RISE)) / 2
        return (1 + math.cos(math.pi * (done - ONE_CYCLE_RISE) / (1 - ONE_CYCLE_RISE))) / 2
    warmup = min(warmup_epochs, epochs / 2)
    if epoch < warmup:
        return epoch / warmup
    done = (epoch - warmup) / (epochs - warmup)
    if schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    return 0.1 ** ((epoch >= 0.5 * epochs) + (epoch >= 0.75 * epochs)) if schedule == "step" else 1.0


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving mean of a network's weights and buffers, which generalises better than the last weights.

    Args:
        network: Is copied; its present weights are the mean's start.
        decay: Share of the old mean that stays with each step, 0 (no averaging) to 1; lower in the first steps.

    Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima"; the warm-up is timm's.
    """

    @torch.no_grad()
    def update(mean: Tensors, new: Tensors, step: Tensor | int) -> None:
        if mean[0].is_floating_point():
            torch._foreach_lerp_(mean, new, 1 - min(decay, int(step) / (int(step) + 10)))
        else:
            torch._foreach_copy_(mean, new)

    average = AveragedModel(network, multi_avg_fn=update, use_buffers=True).eval().requires_grad_(False)
    average.n_averaged += 1  # the present weights count: at 0, the first step's weights would replace them
    return average
