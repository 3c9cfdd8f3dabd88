"""Labelled images that training reads again and again, wherever they are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from darkroom.augmentation.operations import apply_drawn
from darkroom.augmentation.policy import Policy
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.preprocessing.recipe import Recipe
from darkroom.training.batches import Normalise
from darkroom.training.decoded import ImageFiles, OnTheFly, decode, told_size
from darkroom.training.progressive import resize

_BLOCK = 1024  # images that are moved to a GPU at once


class Inputs(Protocol):
    """Labelled images, from which a network's inputs are made."""

    @property
    def targets(self) -> Tensor:
        """`(N,) int64` class indices, or `(N, K) float32` of 0 and 1 for multilabel."""
        ...

    @property
    def side_px(self) -> int:
        """Side of the images."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is kept of one image."""
        ...

    def __len__(self) -> int: ...

    def at(self, rows: Tensor) -> "Inputs":
        """Some of the images, by their numbers, `(n,) int64` on the CPU."""
        ...

    def to(self, device: torch.device) -> "Inputs":
        """The same images where the network is."""
        ...

    def ahead(self, batches: Sequence[Tensor]) -> Iterable[Tensor]:
        """The batches that are asked for next, one after the other, so that images may be got ready before they are.

        Args:
            batches: Numbers of images, `(n,) int64` each, on the CPU.
        """
        ...

    def plain(self, rows: Tensor, normalise: Normalise, device: torch.device) -> Tensor:
        """A network's inputs from images as they are.

        Args:
            rows: `(n,) int64` numbers of images, on the CPU.
            normalise: Maps images in 0..1 to about zero mean and unit deviation.
            device: Where the network is.
        """
        ...

    def augmented(self, rows: Tensor, draws: Tensor, side_px: int, policy: Policy, normalise: Normalise, device: torch.device) -> Tensor:
        """A network's inputs from augmented images.

        Args:
            rows: `(n,) int64` numbers of images, on the CPU.
            draws: Their random numbers, see `darkroom.augmentation.draws`.
            side_px: To which they are resized.
            policy: What may happen to an image.
            normalise: Maps images in 0..1 to about zero mean and unit deviation.
            device: Where the network is.
        """
        ...


@dataclass(frozen=True)
class Examples:
    """Images with their labels.

    Attributes:
        pixels: `(M, S, S, 3) uint8`, RGB, these images' and perhaps others'; or what decodes them on the fly.
        targets: `(N,) int64` class indices, or `(N, K) float32` of 0 and 1 for multilabel.
        rows: `(N,) int64`: where each image is among the pixels, on the CPU; none: one after the other.
    """

    pixels: Tensor | OnTheFly
    targets: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def side_px(self) -> int:
        """Side of the images."""
        return self.pixels.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image."""
        return tuple(self.pixels.shape[1:])

    def at(self, rows: Tensor) -> "Examples":
        """Some of the images, whose pixels are not copied; see `Inputs.at`."""
        return Examples(self.pixels, self.targets[rows], self._places(rows))

    def to(self, device: torch.device) -> "Examples":
        """The same examples where the network is, or with the pixels left here where they would not fit."""
        targets, size = self.targets.to(device), len(self) * self.pixels.shape[1] ** 2 * 3
        if isinstance(self.pixels, OnTheFly) or self.pixels.device.type == device.type:
            return Examples(self.pixels, targets, self.rows)
        if not _fits(size, device):
            _say(f"{told_size(size)} of decoded images stay where they are: the {device.type} has no room for them")
            return Examples(self.pixels, targets, self.rows)
        there = torch.empty((len(self), *self.shape), dtype=torch.uint8, device=device)
        for start in range(0, len(self), _BLOCK):
            there[start : start + _BLOCK] = self.picked(torch.arange(start, min(start + _BLOCK, len(self)))).to(device)
        _say(f"{told_size(size)} of decoded images are on the {device.type}")
        return Examples(there, targets)

    def ahead(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """The batches, whose images are decoded ahead where that is done on the fly; see `Inputs.ahead`."""
        if isinstance(self.pixels, OnTheFly):
            for number in self.pixels.ahead([self._places(rows) for rows in batches]):
                yield batches[number]
        else:
            yield from batches

    def picked(self, rows: Tensor) -> Tensor:
        """Pixels of some images, `(n, S, S, 3) uint8`, where they are.

        Args:
            rows: `(n,) int64` numbers of images, on the CPU.
        """
        return self.pixels[self._places(rows).to(self.pixels.device)]

    def pick(self, rows: Tensor, device: torch.device) -> Tensor:
        """Some images as a network's input before normalisation.

        Args:
            rows: `(n,) int64` numbers of images, on the CPU.
            device: Where the network is.

        Returns:
            `(n, 3, S, S) float32` in 0..1.
        """
        return self._moved(rows, device).to(torch.float32).div_(255)

    def _places(self, rows: Tensor) -> Tensor:
        return rows if self.rows is None else self.rows[rows]

    def _moved(self, rows: Tensor, device: torch.device) -> Tensor:
        return self.picked(rows).to(device, non_blocking=True).permute(0, 3, 1, 2)

    def plain(self, rows: Tensor, normalise: Normalise, device: torch.device) -> Tensor:
        """Normalised images; see `Inputs.plain`."""
        return normalise(self.pick(rows, device))

    def augmented(self, rows: Tensor, draws: Tensor, side_px: int, policy: Policy, normalise: Normalise, device: torch.device) -> Tensor:
        """Augmented and normalised images; see `Inputs.augmented`."""
        return normalise(apply_drawn(policy, resize(self._moved(rows, device), side_px), draws))


def load(source: Images, manifest: Manifest, recipe: Recipe) -> Examples:
    """Decodes the images of a manifest.

    Args:
        source: Packed images that hold all of them.
        manifest: Which images, and their labels.
        recipe: How each is resized.

    Raises:
        InputError: An image can't be decoded.
    """
    targets = torch.from_numpy(manifest.targets())
    if manifest.task == "multilabel":
        targets = targets.to(torch.float32)
    return decoded(ImageFiles(source, manifest.column("image_id"), manifest.column("path"), recipe), targets)


def decoded(files: ImageFiles, targets: Tensor, unreadable: set[int] | None = None) -> Examples:
    """Decodes images that have targets; for arguments and errors see `darkroom.training.decoded.decode`."""
    found = decode(files, unreadable)
    return Examples(found.pixels, targets, found.rows)


def channel_statistics(examples: Examples, at_most: int = 4096) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, 0 to 1, over evenly spaced examples; never a deviation of 0."""
    rows = torch.linspace(0, len(examples) - 1, min(len(examples), at_most)).round().to(torch.int64)
    sums, squares, count = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 0
    for some in examples.ahead(torch.split(rows, 64)):
        values = examples.picked(some).reshape(-1, 3).to(torch.float64) / 255
        sums, squares, count = sums + values.sum(0), squares + values.square().sum(0), count + len(values)
    mean = sums / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt().clamp_min(1 / 255)
    return tuple(round(value, 6) for value in mean.tolist()), tuple(round(value, 6) for value in std.tolist())


def moved(values: Tensor, device: torch.device) -> Tensor:
    """What a training reads again and again, where the network is, or left on the CPU where it would take more than half of the memory."""
    return values.to(device) if device.type != "cpu" and _fits(values.nbytes, device) else values


def _fits(num_bytes: int, device: torch.device) -> bool:
    return 2 * num_bytes <= torch.cuda.mem_get_info(device)[0]


@cache
def _say(text: str) -> None:
    """Prints a sentence, once."""
    print(text, flush=True)
