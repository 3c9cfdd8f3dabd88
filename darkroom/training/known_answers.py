"""Knowledge distillation from answers that are known: of other networks, for each training image, learnt beside the labels."""

import dataclasses
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from darkroom.task import Task
from darkroom.training.losses import divergence

CERTAINTY = 0.95  # of the label, for an image without an answer


@dataclasses.dataclass(frozen=True)
class KnownAnswers:
    """What other networks answer for the training images.

    Attributes:
        logits: `(N, K) float32`, a row a training image.
        task: What they mean.
        share: Of these answers in the loss, 0 to 1; the labels have the rest.
        temperature: See `darkroom.training.losses.divergence`.
    """

    logits: Tensor
    task: Task
    share: float
    temperature: float

    def to(self, device: torch.device) -> "KnownAnswers":
        """The same where the network learns."""
        return dataclasses.replace(self, logits=self.logits.to(device))

    def blend(
        self,
        loss: Tensor,
        logits: Tensor,
        rows: Tensor,
        partners: Tensor,
        share: float,
        num_images: int,
        image_weights: Tensor | None = None,
    ) -> Tensor:
        """The loss by the labels, or a part of a batch's, blended with that by the known answers.

        Args:
            loss: By the labels.
            logits: `(n, K) float32` of the network that learns.
            rows: Numbers of the training images, `(n,) int64`.
            partners: Those of the images that they are mixed with.
            share: How much of each image is its own, 0 to 1.
            num_images: Of the whole batch.
            image_weights: How much each of all training images counts, see `darkroom.training.losses.Loss`; none: all as much.
        """
        own, other = (self._probabilities(self.logits[some.to(self.logits.device)]) for some in (rows, partners))
        wanted = share * own + (1 - share) * other
        counting = None
        if image_weights is not None:
            counting = share * image_weights[rows].to(logits) + (1 - share) * image_weights[partners].to(logits)
        apart = divergence(self.task, logits, wanted, self.temperature, counting) / num_images
        return (1 - self.share) * loss + self.share * apart

    def _probabilities(self, logits: Tensor) -> Tensor:
        scaled = logits / self.temperature
        return scaled.sigmoid() if self.task == "multilabel" else scaled.softmax(1)


def answers_for(
    names: Sequence[str], targets: Tensor, known: Mapping[str, Tensor], num_classes: int, *, task: Task, share: float, temperature: float
) -> KnownAnswers:
    """Brings answers into the order of the training images; where one is missing, its label stands in.

    Args:
        names: Which image each training image is, or is a copy of.
        targets: Their truth, `(N,) int64`, or `(N, K)` of 0 and 1 for multilabel.
        known: Logits `(K,)` by image.
        num_classes: K.
        task: What they mean.
        share: See `KnownAnswers`.
        temperature: See `KnownAnswers`.
    """
    truth = targets.float() if task == "multilabel" else F.one_hot(targets, num_classes).float()
    rest = (1 - CERTAINTY) / (1 if task == "multilabel" else max(1, num_classes - 1))
    likely = truth * CERTAINTY + (1 - truth) * rest
    logits = temperature * (likely.logit() if task == "multilabel" else likely.log())
    for row, name in enumerate(names):
        if name in known:
            logits[row] = known[name]
    return KnownAnswers(logits, task, share, temperature)
