"""What training minimises, and how rare classes are kept from being ignored."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from darkroom.system.errors import InputError
from darkroom.task import Task
from darkroom.training.hyperparameters import Settings

MARGIN = 0.05  # of the asymmetric loss: absent labels below this probability count nothing
SMALLEST = 1e-7  # below it a power has no finite slope


@dataclasses.dataclass(frozen=True)
class Loss:
    """The mean loss of a batch; with weights of classes for a single answer, the mean by these weights.

    Attributes:
        task: Decides between one answer and an answer a label.
        gamma: How much less sure answers count; 0 is cross-entropy, or binary cross-entropy a label.
        is_asymmetric: Whether only absent labels count less.
        label_smoothing: Share of the truth that is spread over the other answers, 0 to 1.
        weights: Of `class_weights`, or none.
        mean_weight: The training images' mean weight, each counted as its class is; 1 without weights of images.

    Sources: Lin et al. 2017, "Focal Loss for Dense Object Detection"; Ridnik et al. 2021, "Asymmetric Loss For Multi-Label
    Classification".
    """

    task: Task
    gamma: float
    is_asymmetric: bool
    label_smoothing: float
    weights: Tensor | None
    mean_weight: float = 1.0

    def __call__(self, logits: Tensor, y_true: Tensor, batch: Tensor | None = None, image_weights: Tensor | None = None) -> Tensor:
        """Maps logits `(N, K)` and their truth to `() float32`.

        Args:
            logits: `(N, K)`.
            y_true: `(N,) int64`, or `(N, K)` of 0 and 1 for multilabel.
            batch: The truth of the whole batch, if these are a part of it: the losses of its parts add up to that of the batch.
            image_weights: How much each image counts, `(N,) float32` whose mean over all training images is 1; none: all as much.
        """
        each = self._labels(logits, y_true) if self.task == "multilabel" else self._classes(logits, y_true)
        total = self._total(logits, y_true if batch is None else batch)
        if image_weights is None:
            return each.sum() / total
        weights = image_weights.to(each).view(-1, *[1] * (each.ndim - 1))  # of an image's labels, or of what is focal, there are several
        return (each * weights).sum() / (total * self.mean_weight)

    def _total(self, logits: Tensor, y_true: Tensor) -> Tensor | int:
        if self.task == "multilabel" or self.weights is None:
            return y_true.numel()
        return self.weights.to(logits)[y_true].sum()

    def _classes(self, logits: Tensor, y_true: Tensor) -> Tensor:
        weights = None if self.weights is None else self.weights.to(logits)
        if self.gamma == 0:
            return F.cross_entropy(logits, y_true, weight=weights, label_smoothing=self.label_smoothing, reduction="none")
        num_classes = logits.shape[1]
        smooth = F.one_hot(y_true, num_classes) * (1 - self.label_smoothing) + self.label_smoothing / num_classes
        log_p = F.log_softmax(logits, dim=1)
        each = -smooth * (-torch.expm1(log_p)).clamp_min(SMALLEST) ** self.gamma * log_p
        return each if weights is None else each * weights

    def _labels(self, logits: Tensor, y_true: Tensor) -> Tensor:
        smooth = y_true * (1 - self.label_smoothing) + self.label_smoothing / 2
        each = self._symmetric(logits, smooth) if not self.is_asymmetric else self._asymmetric(logits, smooth)
        if self.weights is None:
            return each
        absent, present = self.weights.to(logits)
        return each * torch.where(y_true > 0.5, present, absent)

    def _symmetric(self, logits: Tensor, smooth: Tensor) -> Tensor:
        if self.gamma == 0:
            return F.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
        present, absent = F.logsigmoid(logits), F.logsigmoid(-logits)
        return -smooth * (self.gamma * absent).exp() * present - (1 - smooth) * (self.gamma * present).exp() * absent

    def _asymmetric(self, logits: Tensor, smooth: Tensor) -> Tensor:
        shifted = (logits.sigmoid() - MARGIN).clamp_min(SMALLEST)
        return -smooth * F.logsigmoid(logits) - (1 - smooth) * shifted**self.gamma * torch.log1p(-shifted)


def make_loss(task: Task, targets: Tensor, num_classes: int, settings: Settings, image_weights: Tensor | None = None) -> Loss:
    """Makes the loss of a batch.

    Args:
        task: Multilabel takes the binary loss of each label.
        targets: The training examples' truth, which the weights are taken from.
        num_classes: K.
        settings: The loss and its gamma; label smoothing; how classes are balanced: `sampling` and `none` give no weights here.
        image_weights: Of the training examples, `(N,) float32` whose mean is 1, or none.

    Raises:
        InputError: The asymmetric loss is asked for where each image has one answer.
    """
    if settings.loss == "asymmetric" and task != "multilabel":
        raise InputError(f"train.loss is 'asymmetric', which is for multilabel tasks, and this task is {task}: set it to auto or focal")
    weights = class_weights(task, targets, num_classes, image_weights) if settings.class_balance in ("auto", "weights") else None
    gamma = settings.loss_gamma if settings.loss in ("focal", "asymmetric") else 0.0
    mean_weight = 1.0
    if image_weights is not None and weights is not None and task != "multilabel":
        by_class = weights[targets.cpu()].double()
        mean_weight = float((by_class * image_weights.cpu()).sum() / by_class.sum())
    return Loss(task, gamma, settings.loss == "asymmetric", settings.label_smoothing, weights, mean_weight)


def divergence(task: Task, logits: Tensor, wanted: Tensor, temperature: float, image_weights: Tensor | None = None) -> Tensor:
    """How far a network's answers are from those that it is to learn from other networks, beside the labels.

    Args:
        task: Multilabel takes each label's own divergence.
        logits: `(n, K) float32` of the network that learns.
        wanted: `(n, K) float32` probabilities, of logits that were divided by the temperature.
        temperature: By which the logits of both sides are divided: the higher, the more the unlikely classes count.
        image_weights: How much each image counts, `(n,) float32`; none: all as much.

    Returns:
        `() float32`: the sum of the images' Kullback-Leibler divergences, each the mean of its labels' for multilabel, times the square of
        the temperature, so that gradients are as large as at any other.

    Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network".
    """
    scaled = logits / temperature
    if task == "multilabel":
        least = F.binary_cross_entropy(wanted, wanted, reduction="none")
        each = (F.binary_cross_entropy_with_logits(scaled, wanted, reduction="none") - least).mean(1)
    else:
        each = F.kl_div(scaled.log_softmax(1), wanted, reduction="none").sum(1)
    return temperature**2 * (each if image_weights is None else each * image_weights).sum()


def class_weights(task: Task, targets: Tensor, num_classes: int, image_weights: Tensor | None = None) -> Tensor:
    """How much an example counts by its class: the inverse root of the class's share, at most 10 times its average.

    Args:
        task: Multilabel weighs each label's two answers, the others weigh classes.
        targets: `(N,) int64`, or `(N, K) float32` of 0 and 1.
        num_classes: K.
        image_weights: How many images each counts as, `(N,) float32`; none: one.

    Returns:
        `(K,) float32`, or `(2, K)` for multilabel (absent, present); 1 where all are as frequent, or for a class that
        does not occur.
    """
    if task == "multilabel":
        counting = torch.ones(len(targets)) if image_weights is None else image_weights
        counting = counting.to(targets.device)[:, None]
        counts = torch.stack([((1 - targets) * counting).sum(0), (targets * counting).sum(0)])
    else:
        counts = torch.bincount(targets, image_weights, minlength=num_classes).to(torch.float32)
    even = counts.sum(0) / len(counts) if task == "multilabel" else counts.sum() / max(1, int((counts > 0).sum()))
    weights = (even / counts.clamp_min(SMALLEST)).sqrt().clamp(max=10.0)
    return torch.where(counts > 0, weights, torch.ones_like(weights)).cpu()
