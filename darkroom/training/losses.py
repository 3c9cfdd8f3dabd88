"""What training minimises, and how rare classes are kept from being ignored."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from darkroom.task import Task
from darkroom.training.hyperparameters import Balance

Loss = Callable[[Tensor, Tensor], Tensor]


def make_loss(task: Task, targets: Tensor, num_classes: int, *, balance: Balance, label_smoothing: float) -> Loss:
    """Makes the loss of a batch: cross-entropy, or binary cross-entropy a label for multilabel.

    Args:
        task: Decides which.
        targets: The training examples' truth, which the weights are taken from.
        num_classes: K.
        balance: How classes are balanced; `sampling` and `none` give no weights here.
        label_smoothing: Share of the truth that is spread over the other answers, 0 to 1.

    Returns:
        A function of logits `(N, K)` and targets to a mean, `() float32`.
    """
    weights = class_weights(task, targets, num_classes) if balance in ("auto", "weights") else None

    def multilabel(logits: Tensor, y_true: Tensor) -> Tensor:
        smooth = y_true * (1 - label_smoothing) + label_smoothing / 2
        each = F.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
        if weights is not None:
            each = each * torch.where(y_true > 0.5, weights[1].to(logits), weights[0].to(logits))
        return each.mean()

    def single(logits: Tensor, y_true: Tensor) -> Tensor:
        weight = None if weights is None else weights.to(logits)
        return F.cross_entropy(logits, y_true, weight=weight, label_smoothing=label_smoothing)

    return multilabel if task == "multilabel" else single


def class_weights(task: Task, targets: Tensor, num_classes: int) -> Tensor:
    """How much an example counts by its class: the inverse root of the class's share, at most 10 times its average.

    Args:
        task: Multilabel weighs each label's two answers, the others weigh classes.
        targets: `(N,) int64`, or `(N, K) float32` of 0 and 1.
        num_classes: K.

    Returns:
        `(K,) float32`, or `(2, K)` for multilabel (absent, present); 1 where all are as frequent, or for a class that
        does not occur.
    """
    if task == "multilabel":
        present = targets.sum(0)
        counts = torch.stack([len(targets) - present, present])
    else:
        counts = torch.bincount(targets, minlength=num_classes).to(torch.float32)
    even = counts.sum(0) / len(counts) if task == "multilabel" else counts.sum() / max(1, int((counts > 0).sum()))
    weights = (even / counts.clamp_min(1)).sqrt().clamp(max=10.0)
    return torch.where(counts > 0, weights, torch.ones_like(weights)).cpu()
