"""What a network is worth on the validation images."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from darkroom.metrics.measures import measures
from darkroom.model import decide
from darkroom.system.errors import InputError
from darkroom.task import Task
from darkroom.training import thresholds
from darkroom.training.examples import Examples
from darkroom.training.losses import Loss

LOWER_IS_BETTER = ("loss", "log_loss", "hamming_loss")
BATCH_SIZE = 128


class Asked(Protocol):
    """The part of a problem that judging needs."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def task(self) -> Task: ...


@torch.no_grad()
def logits_of(
    network: nn.Module, examples: Examples, num_classes: int, normalise: Callable[[Tensor], Tensor], half: torch.dtype | None
) -> Tensor:
    """Runs a network over examples.

    Args:
        network: In `eval` mode.
        examples: Images, as they were decoded.
        num_classes: K.
        normalise: Maps images in 0..1 to the network's inputs.
        half: The short type to compute in, or none for float32.

    Returns:
        `(N, K) float32` on the network's device.
    """
    device = next(network.parameters()).device
    parts = [torch.zeros(0, num_classes, device=device)]
    for rows in torch.split(torch.arange(len(examples)), BATCH_SIZE):
        with torch.autocast(device.type, half or torch.bfloat16, enabled=half is not None):
            parts.append(network(normalise(examples.pick(rows, device)[0])).float())
    return torch.cat(parts)


def probabilities_of(logits: Tensor, task: Task) -> Tensor:
    """Logits `(N, K)` as probabilities."""
    return logits.sigmoid() if task == "multilabel" else logits.softmax(dim=1)


def judge(
    network: nn.Module, examples: Examples, asked: Asked, loss: Loss, normalise: Callable[[Tensor], Tensor], half: torch.dtype | None
) -> dict[str, float]:
    """Judges a network by its loss and every measure of the task, each under a name that begins with `validation_`.

    Answers are given at the thresholds that the model would be delivered with if this epoch were the one. Empty where
    there is no example; a loss of NaN alone where the network gives no finite answer.
    """
    if not len(examples):
        return {}
    logits = logits_of(network, examples, len(asked.classes), normalise, half)
    judged = {"validation_loss": float(loss(logits, examples.targets))}
    if not bool(logits.isfinite().all()):  # the caller tells
        return {"validation_loss": math.nan}
    probabilities = probabilities_of(logits, asked.task)
    found, truth = probabilities.cpu().numpy(), examples.targets.to(torch.int64).cpu().numpy()
    predicted = decide(asked.task, found, thresholds.tune(asked.task, truth, found))
    values = measures(truth, found, predicted, asked.classes, asked.task)
    return judged | {f"validation_{name}": value for name, value in values.items()}


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


def kept_epoch(scores: Sequence[float], num_images: int) -> int:
    """The last epoch within a standard error of the best: the highest of a hundred noisy scores is luck as much as skill.

    Args:
        scores: One an epoch, more is better; what is no share from 0 to 1 is taken at its word.
        num_images: Validation images that the scores come from.

    Returns:
        The epoch's number, from 1.

    Source: Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3, the rule of one standard error.
    """
    best = max(scores)
    error = math.sqrt(best * (1 - best) / num_images) if 0 < best < 1 else 0.0
    return max(number for number, score in enumerate(scores, start=1) if score >= best - error)
