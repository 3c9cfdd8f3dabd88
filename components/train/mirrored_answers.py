"""Whether a network answers with the mean for an image and its mirror image, and what that is worth on the validation images."""

import dataclasses
from collections.abc import Mapping

from torch import nn

from components.train.config import TrainConfig
from darkroom.networks.mirrored import MirroredMean
from darkroom.notes import Note, tell
from darkroom.training import validation
from darkroom.training.hyperparameters import Settings
from darkroom.training.losses import make_loss
from darkroom.training.problem import Problem

_LOSS = "validation_loss"


@dataclasses.dataclass(frozen=True)
class Delivered:
    """How a trained network is delivered.

    Attributes:
        is_mirrored: Whether it answers with the mean for an image and its mirror image.
        thresholds: Those of its card.
        row: Its measures on the validation images, each under a name that begins with `validation_`.
        notes: What was found.
    """

    is_mirrored: bool
    thresholds: tuple[float, ...]
    row: Mapping[str, float]
    notes: tuple[Note, ...] = ()


def delivered(
    network: nn.Module, problem: Problem, thresholds: tuple[float, ...], row: Mapping[str, float], config: TrainConfig, settings: Settings
) -> Delivered:
    """Decides it as the settings say; `auto` compares both on the validation images, where training mirrors images at all.

    Args:
        network: With the weights that were kept, on the CPU.
        problem: What was learnt.
        thresholds: Those for the network as it is.
        row: Its measures on the validation images.
        config: Settings as given.
        settings: Those of the training.
    """
    plain = Delivered(False, thresholds, row)
    wanted, learnt = config.mirrored_answers, problem.policy.get("horizontal_flip") is not None
    if not wanted or (wanted == "auto" and not (learnt and len(problem.validation))):
        return plain
    unlearnt = [] if learnt else ["train.mirrored_answers is true, though training mirrors no image (augment.horizontal_flip)"]
    if not len(problem.validation):
        return Delivered(True, thresholds, row, tell("train", (), unlearnt))
    loss = make_loss(problem.task, problem.train.targets, len(problem.classes), settings, problem.image_weights)
    judged = []
    for one in (network, MirroredMean(network)):
        logits = validation.logits_without_training(one, problem.validation, problem, settings)
        judged.append((logits, validation.judge_on(problem, logits, loss, settings.threshold_prior_images).row))
    (_, alone), (logits, both) = judged
    change = f"the loss on the validation images is {both[_LOSS]:.4f} with the mirror image and {alone[_LOSS]:.4f} without"
    if wanted == "auto" and both[_LOSS] >= alone[_LOSS]:
        return dataclasses.replace(plain, notes=tell("train", [f"answers are for an image as it is: {change}"]))
    tuned = validation.tuned_thresholds(logits, problem, settings.threshold_prior_images)
    told = [f"answers are the mean for an image and its mirror image, at twice the latency: {change}"]
    return Delivered(True, tuned, {**row, **both}, tell("train", told, unlearnt))
