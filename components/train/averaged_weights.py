"""The weights that a fine-tuning is delivered with: those that it has learnt, or a mean of them and those that it began with.

The start, given weights below a linear layer, knows less of these images and is surer of nothing; between the two lie networks whose log
loss on other images is often less than either's. They cost no training and answer as fast.

Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models".
"""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from components.train.config import TrainConfig
from darkroom.notes import Note, tell
from darkroom.training import validation
from darkroom.training.hyperparameters import Settings
from darkroom.training.losses import make_loss
from darkroom.training.problem import Problem
from darkroom.training.trainer import Fitted

SHARES = (0.1, 0.2, 0.35, 0.5)  # of the start, that auto tries
_LOSS = "validation_log_loss"  # of the labels as they are: what training minimises smooths and weighs them

State = Mapping[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Averaged:
    """What was delivered of a training.

    Attributes:
        share: Of the start's weights.
        thresholds: Those of the model card.
        row: Measures of the kept weights on the validation images, in place of the epoch's.
        notes: What was found.
    """

    share: float
    thresholds: tuple[float, ...]
    row: Mapping[str, float]
    notes: tuple[Note, ...] = ()


def copied(network: nn.Module) -> State:
    """A copy of a network's weights and statistics."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def averages_tried(config: TrainConfig) -> int:
    """How many means of weights are validated at most, that without a share of the start among them."""
    return 1 + len(SHARES) if config.start_share == "auto" else int(config.start_share > 0)


def average(network: nn.Module, start: State, problem: Problem, fitted: Fitted, config: TrainConfig, settings: Settings) -> Averaged:
    """Gives a network the mean of its weights and those that it began with; the share that `auto` takes has the least loss.

    Args:
        network: With the weights that it has learnt, on the CPU; is changed.
        start: Those that it began with; none where it knew nothing of the classes. Where statistics of batches were learnt, they belong
            to the weights that it has learnt, and nothing is averaged.
        problem: What was learnt.
        fitted: The training's result.
        config: Settings as given.
        settings: Those of the training.
    """
    learnt, wanted = copied(network), config.start_share
    kept = {name: value for name, value in fitted.history[fitted.best_epoch - 1].items() if name.startswith("validation_")}
    plain = Averaged(0.0, fitted.thresholds, kept)
    has_learnt_statistics = any(not torch.equal(start[name], value) for name, value in network.named_buffers() if name in start)
    if wanted == 0 or not start or has_learnt_statistics or not len(problem.validation):
        return plain
    loss = make_loss(problem.task, problem.train.targets, len(problem.classes), settings, problem.image_weights)
    found = []
    for share in (0.0, *SHARES) if wanted == "auto" else (wanted,):
        network.load_state_dict(_mean(start, learnt, share))
        logits = validation.logits_without_training(network, problem.validation, problem, settings)
        row = validation.judge_on(problem, logits, loss, settings.threshold_prior_images).row
        found.append((row[_LOSS], share, row, logits))
    least, share, row, logits = min(found, key=lambda one: one[:2])
    network.load_state_dict(_mean(start, learnt, share))
    if not share:
        return plain
    tuned = validation.tuned_thresholds(logits, problem, settings.threshold_prior_images)
    told = f"weights are a mean, {share:.0%} of it those that training began with: the log loss on the validation images is {least:.4f}"
    told += f" with it and {found[0][0]:.4f} without" if wanted == "auto" else ""
    return Averaged(share, tuned, row, tell("train", [told]))


def _mean(start: State, learnt: State, share: float) -> dict[str, Tensor]:
    """The mean; what has not changed keeps its bits."""
    changed = {name for name, value in learnt.items() if share and value.is_floating_point() and not torch.equal(start[name], value)}
    return {name: learnt[name].lerp(start[name], share) if name in changed else learnt[name] for name in learnt}
