"""Validation: how good a network is on the validation images, and which epoch is kept."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from darkroom.evaluation import Predictions
from darkroom.metrics.intervals import RESAMPLED, standard_error
from darkroom.metrics.measures import Ints
from darkroom.model import decide
from darkroom.system.errors import InputError
from darkroom.task import Task
from darkroom.training import devices, thresholds
from darkroom.training.batches import Normalise
from darkroom.training.examples import Inputs
from darkroom.training.hyperparameters import LOWER_IS_BETTER, Settings
from darkroom.training.losses import Loss
from darkroom.training.problem import Problem
from darkroom.training.world import World

BATCH_SIZE = 128


@torch.no_grad()
def logits_of(
    network: nn.Module,
    examples: Inputs,
    num_classes: int,
    normalise: Normalise,
    half: torch.dtype | None,
    world: World | None = None,
) -> Tensor:
    """Runs a network over examples.

    Args:
        network: In `eval` mode.
        examples: Images.
        num_classes: K.
        normalise: Maps images in 0..1 to the network's inputs.
        half: The short type to compute in, or none for float32.
        world: The processes that do so together.

    Returns:
        `(N, K) float32` on the network's device.
    """
    device = next(network.parameters()).device
    parts, world = [torch.zeros(0, num_classes, device=device)], world or World()
    own = torch.arange(len(examples))[world.share(slice(0, len(examples)))]
    with devices.products("off"), torch.autocast(device.type, half or torch.bfloat16, enabled=half is not None):
        for rows in examples.ahead(torch.split(own, BATCH_SIZE) if len(own) else ()):
            parts.append(network(examples.plain(rows, normalise, device)).float())
    return world.collect(torch.cat(parts), len(examples))


def logits_without_training(network: nn.Module, examples: Inputs, problem: Problem, settings: Settings) -> Tensor:
    """Runs a network that is not trained now, on the device that the settings name.

    Args:
        network: On the CPU, where it is left, in `eval` mode.
        examples: Images.
        problem: What the network has learnt.
        settings: How.

    Returns:
        `(N, K) float32` on the CPU.
    """
    device = devices.choose(settings.device)
    normalise = Normalise(problem.mean, problem.std, device)
    logits = logits_of(network.to(device).eval(), examples.to(device), len(problem.classes), normalise, None).cpu()
    network.to("cpu")
    return logits


def probabilities_of(logits: Tensor, task: Task) -> Tensor:
    """Logits `(N, K)` as probabilities."""
    return logits.sigmoid() if task == "multilabel" else logits.softmax(dim=1)


@dataclasses.dataclass(frozen=True)
class Validated:
    """A network on the validation images.

    Attributes:
        row: Its loss and every measure of the task, each under a name that begins with `validation_`; empty where there is no image, a
            loss of NaN alone where the network gives no finite answer.
        predictions: Its answers; none where `row` holds no measure.
    """

    row: dict[str, float]
    predictions: Predictions | None = None


def validate(
    network: nn.Module,
    problem: Problem,
    examples: Inputs,
    loss: Loss,
    normalise: Normalise,
    half: torch.dtype | None,
    prior_images: float,
    world: World | None = None,
) -> Validated:
    """Measures a network, with the thresholds that the model would be delivered with if this epoch were kept.

    Args:
        network: In `eval` mode.
        problem: What is to be learnt.
        examples: Its validation images, where the network is.
        loss: What training minimises.
        normalise: Maps images in 0..1 to the network's inputs.
        half: The short type to compute in, or none for float32.
        prior_images: How much few images hold the thresholds back, see `thresholds.tune_one`.
        world: The processes that do so together.
    """
    if not len(examples):
        return Validated({})
    logits = logits_of(network, examples, len(problem.classes), normalise, half, world)
    if not bool(logits.isfinite().all()):  # the caller raises
        return Validated({"validation_loss": math.nan})
    return judge(logits, examples.targets, problem.classes, problem.task, problem.validation_units, loss, prior_images)


def judge_on(problem: Problem, logits: Tensor, loss: Loss, prior_images: float) -> Validated:
    """Measures answers for a problem's validation images, see `judge`."""
    return judge(logits, problem.validation.targets, problem.classes, problem.task, problem.validation_units, loss, prior_images)


def tuned_thresholds(logits: Tensor, problem: Problem, prior_images: float) -> tuple[float, ...]:
    """The thresholds with which a model is delivered that answers so for a problem's validation images.

    Args:
        logits: `(N, K) float32`, finite.
        problem: What was learnt.
        prior_images: How much few images hold the thresholds back, see `thresholds.tune_one`.
    """
    y_true = problem.validation.targets.to(torch.int64).cpu().numpy()
    return thresholds.tune(problem.task, y_true, probabilities_of(logits, problem.task).cpu().numpy(), prior_images)


def judge(logits: Tensor, targets: Tensor, classes: tuple[str, ...], task: Task, units: Ints, loss: Loss, prior_images: float) -> Validated:
    """Measures answers, with the thresholds that the model would be delivered with.

    Args:
        logits: `(N, K) float32`, finite.
        targets: See `darkroom.training.examples.Examples`.
        classes: K names.
        task: What the targets mean.
        units: See `darkroom.training.problem.Problem`.
        loss: What training minimises.
        prior_images: How much few images hold the thresholds back, see `thresholds.tune_one`.
    """
    y_score = probabilities_of(logits, task).cpu().numpy()
    y_true = targets.to(torch.int64).cpu().numpy()
    y_pred = decide(task, y_score, thresholds.tune(task, y_true, y_score, prior_images))
    unnamed = ("",) * len(y_true)
    found = Predictions(unnamed, unnamed, classes, task, y_true, y_pred, y_score, units)
    row = {"loss": float(loss(logits, targets)), **found.measures()}
    return Validated({f"validation_{name}": value for name, value in row.items()}, found)


def score(row: Mapping[str, float], monitor: str) -> float:
    """How good an epoch is by the monitored measure, more is better; without validation images all are equally good.

    Args:
        row: An epoch's row of the history.
        monitor: A measure's name, or `loss`.

    Raises:
        InputError: The measure is not defined on these validation images.
    """
    if "validation_loss" not in row:
        return 0.0
    known = {name.removeprefix("validation_"): value for name, value in row.items() if name.startswith("validation_")}
    if monitor not in known:
        raise InputError(f"train.monitor is {monitor!r}, which the validation images don't define: choose among {', '.join(known)}")
    return -known[monitor] if monitor in LOWER_IS_BETTER else known[monitor]


def falls_below(row: Mapping[str, float], other: Mapping[str, float], measure: str) -> bool:
    """Whether a model is worse than another on the same validation images; not where these don't define the measure.

    Args:
        row: The model's measures, `validation_<measure>`.
        other: The other's.
        measure: What is compared, see `compared_by`.
    """
    own, least = (one.get(f"validation_{measure}") for one in (row, other))
    if own is None or least is None:
        return False
    return own > least if measure in LOWER_IS_BETTER else own < least


def compared_by(monitor: str) -> str:
    """The measure by which models of different kinds are compared: a network's loss has weights and smoothed labels, which others lack."""
    return "log_loss" if monitor == "loss" else monitor


def error_of(validated: Validated, monitor: str) -> float:
    """The standard error of the monitored measure, over the units of the validation images; 0 for a loss, which is taken as it is."""
    found = validated.predictions
    return standard_error(found, monitor) if found is not None and monitor in RESAMPLED else 0.0


def kept_epoch(scores: Sequence[float], error: float) -> int:
    """The last epoch within one standard error of the best: the highest of many noisy scores is chance as much as skill.

    Args:
        scores: One an epoch, more is better.
        error: Standard error of the best score.

    Returns:
        The epoch's number, from 1.

    Source: Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3, the rule of one standard error.
    """
    least = max(scores) - error
    return max(number for number, score in enumerate(scores, start=1) if score >= least)
