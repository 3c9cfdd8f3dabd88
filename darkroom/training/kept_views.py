"""What the frozen layers make of each training image: computed once, for a few views of it, and kept while the rest learns."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from darkroom import pixel_store
from darkroom.augmentation.draws import draw
from darkroom.augmentation.policy import Policy
from darkroom.system.scratch import scratch
from darkroom.training import batches, devices
from darkroom.training.batches import Normalise
from darkroom.training.examples import Inputs, moved
from darkroom.training.frozen_trunk import FrozenTrunk, find_trunk
from darkroom.training.hyperparameters import Settings
from darkroom.training.problem import Problem

BATCH_SIZE = 64
BYTES = 2  # of a kept number
BYTES_PER_MB = 2**20


@dataclass(frozen=True)
class KeptViews:
    """Labelled images as features.

    Attributes:
        features: `(V, N, ...) float16` of V views of N images; those of a convolution as `(V, N, H, W, C)`. The first view is the
            image as it is.
        targets: See `darkroom.training.examples.Examples`.
        side_px: Of the images.
    """

    features: Tensor
    targets: Tensor
    side_px: int

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is kept of one image: views first."""
        return (self.features.shape[0], *self.features.shape[2:])

    def at(self, rows: Tensor) -> "KeptViews":
        """Some of the images; see `Inputs.at`."""
        return KeptViews(self.features[:, rows], self.targets[rows], self.side_px)

    def to(self, device: torch.device) -> "KeptViews":
        """The same where the network is, or with the features left here where they would not fit."""
        return KeptViews(moved(self.features, device), self.targets.to(device), self.side_px)

    def ahead(self, batches: Sequence[Tensor]) -> Sequence[Tensor]:
        """The batches, which are ready; see `Inputs.ahead`."""
        return batches

    def plain(self, rows: Tensor, normalise: Normalise, device: torch.device) -> Tensor:
        """Features of the images as they are; see `Inputs.plain`."""
        return self._picked(torch.zeros_like(rows), rows, device)

    def augmented(self, rows: Tensor, draws: Tensor, side_px: int, policy: Policy, normalise: Normalise, device: torch.device) -> Tensor:
        """Features of one view of each image, which the first of its random numbers chooses; see `Inputs.augmented`."""
        return self._picked((draws[:, 0, 0] * len(self.features)).long(), rows, device)

    def _picked(self, views: Tensor, rows: Tensor, device: torch.device) -> Tensor:
        where = self.features.device
        picked = self.features[views.to(where), rows.to(where)].to(device, torch.float32, non_blocking=True)
        return picked.permute(0, 3, 1, 2) if picked.ndim == 4 else picked


@contextmanager
def kept_views(network: nn.Module, problem: Problem, settings: Settings) -> Iterator[Problem]:
    """While it is entered, a network takes what its frozen layers made of the images, if the settings ask for that and it can.

    Args:
        network: On the CPU, where it is left.
        problem: What is to be learnt.
        settings: How: `kept_views` and `frozen_share`.

    Returns:
        The problem as the network takes it now.
    """
    trunk = find_trunk(network, problem.train.side_px, settings.frozen_share) if settings.kept_views else None
    if trunk is None:
        yield problem
        return
    device = devices.choose(settings.device)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    number = settings.kept_views if problem.policy.all_operations else 1  # else all views were the same
    train, validation = _keep(trunk, problem.train, number, problem, settings), _keep(trunk, problem.validation, 1, problem, settings)
    network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with trunk.bypassed():
        yield dataclasses.replace(problem, train=train, validation=validation)


def megabytes(num_images: int, num_views: int, num_features: int) -> float:
    """What views of so many images take."""
    return num_images * num_views * num_features * BYTES / BYTES_PER_MB


def _keep(trunk: FrozenTrunk, examples: Inputs, number: int, problem: Problem, settings: Settings) -> KeptViews:
    """Computes views: images as they are, then as they would be augmented in the epochs after the first.

    In 32 bits, whatever the steps compute in: these are the features that the delivered model will see.
    """
    device, side, kept = devices.choose(settings.device), examples.side_px, np.zeros((number, 0), np.float16)
    source, normalise = examples.to(device), Normalise(problem.mean, problem.std, device)
    for view in range(number):
        generator = torch.Generator(device).manual_seed(batches.seeds_of(settings.seed, view)[1])
        for rows in source.ahead(torch.split(torch.arange(len(examples)), BATCH_SIZE) if len(examples) else ()):
            if view:
                images = source.augmented(rows, draw(problem.policy, len(rows), generator), side, problem.policy, normalise, device)
            else:
                images = source.plain(rows, normalise, device)
            with devices.products(settings.mixed_precision):
                features = _last(trunk(images))
            kept = kept if kept.shape[1] else scratch((number, len(examples), *features.shape[1:]), np.float16, pixel_store.MEMORY_BYTES)
            kept[view, int(rows[0]) : int(rows[-1]) + 1] = _rounded(features)
    return KeptViews(torch.from_numpy(kept), examples.targets, side)


def _last(features: Tensor) -> Tensor:
    """Channels of a convolution's features last."""
    return features.permute(0, 2, 3, 1) if features.ndim == 4 else features


def _rounded(features: Tensor) -> npt.NDArray[np.float16]:
    """As 16-bit numbers; what is too large becomes the largest of them."""
    largest = float(np.finfo(np.float16).max)
    rounded: npt.NDArray[np.float16] = features.clamp(-largest, largest).to(torch.float16).cpu().numpy()
    return rounded
