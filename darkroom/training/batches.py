"""Batches: which images are in which batch, and what is done to a batch before the network gets it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from darkroom.task import Task
from darkroom.training.hyperparameters import Balance


class Order(Protocol):
    """The settings that decide on the order."""

    @property
    def batch_size(self) -> int: ...

    @property
    def class_balance(self) -> Balance: ...


class Mixing(Protocol):
    """The settings that decide on how images are mixed."""

    @property
    def mixing(self) -> float: ...

    @property
    def cutmix(self) -> float: ...


class Mixture(NamedTuple):
    """How the images of a batch are mixed, each with a partner.

    Attributes:
        partners: Whose partner is who, `(N,) int64` numbers in the batch, on the CPU; none where nothing is mixed.
        share: How much of each image is its own, 0 to 1.
        square: Rows and columns that are the partner's; without it, images are blended.
    """

    partners: Tensor | None = None
    share: float = 1.0
    square: tuple[slice, slice] | None = None

    def of(self, images: Tensor, partners: Tensor) -> Tensor:
        """Mixes images `(n, 3, S, S) float32` with as many partners."""
        if self.square is None:
            return images.lerp(partners, 1 - self.share)
        pasted = images.clone()
        pasted[..., *self.square] = partners[..., *self.square]
        return pasted


class Normalise:
    """Subtracts the mean and divides by the deviation of each channel; the result is laid out channels last.

    Args:
        mean: Of each channel, 0 to 1.
        std: Of each channel, 0 to 1.
        device: Where the batches are.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """Maps `(N, 3, S, S) float32` in 0..1 to about zero mean and unit deviation."""
        return ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)


def seeds_of(seed: int, epoch: int) -> list[int]:
    """Three independent seeds for an epoch, whatever came before it."""
    return [int(value) for value in np.random.SeedSequence([seed, epoch]).generate_state(3)]


def order(task: Task, targets: Tensor, settings: Order, generator: torch.Generator) -> list[Tensor]:
    """Divides the examples into batches of nearly equal size, never of one image.

    Args:
        task: What the targets mean.
        targets: `(N,) int64`, or `(N, K) float32` of 0 and 1, on the CPU.
        settings: Batch size; and whether classes are drawn equally often, with replacement, rather than each once.
        generator: Decides the order.

    Returns:
        Row numbers, `(n,) int64` a batch.
    """
    if settings.class_balance == "sampling":
        rows = torch.multinomial(_draw_weights(task, targets), len(targets), replacement=True, generator=generator)
    else:
        rows = torch.randperm(len(targets), generator=generator)
    return list(rows.tensor_split(_num_batches(len(rows), settings.batch_size)))


def smallest_size(num_images: int, batch_size: int) -> int:
    """Images of the smallest batch into which `order` divides so many."""
    return num_images // _num_batches(num_images, batch_size)


def _num_batches(num_images: int, batch_size: int) -> int:
    return min(-(-num_images // batch_size), max(1, num_images // 2))


def _draw_weights(task: Task, targets: Tensor) -> Tensor:
    """How often to draw each example: `(N,) float32`; a multilabel example counts as its rarest label."""
    if task == "multilabel":
        rarity = targets / targets.sum(0).clamp_min(1)
        return rarity.amax(1).clamp_min(1 / len(targets))
    return 1 / torch.bincount(targets)[targets].to(torch.float32)


def draw_mixture(num_images: int, side_px: int, settings: Mixing, generator: torch.Generator) -> Mixture:
    """Draws how a batch is mixed with its own images in another order, now and then; each image keeps half of itself or more.

    Args:
        num_images: Of the batch.
        side_px: Of the images.
        settings: Chances that the images are blended, and that a square of each is its partner's.
        generator: Source of randomness.

    Sources: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization"; Yun et al. 2019, "CutMix", with whole squares.
    """

    def uniform() -> float:
        return float(torch.rand((), generator=generator, device=generator.device))

    chance = settings.mixing + settings.cutmix
    if chance == 0 or (chosen := uniform()) >= chance:
        return Mixture()
    share = 0.5 + 0.5 * uniform()
    partners = torch.randperm(num_images, generator=generator, device=generator.device).cpu()
    if chosen < settings.mixing:
        return Mixture(partners, share)
    side = int(side_px * (1 - share) ** 0.5)
    top, left = (int((side_px - side + 1) * uniform()) for _ in range(2))
    return Mixture(partners, 1 - (side / side_px) ** 2, (slice(top, top + side), slice(left, left + side)))
