"""Decoded images, each once, as one array of bytes that training reads again and again."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darkroom import pixels
from darkroom.augmentation.operations import apply_drawn
from darkroom.augmentation.policy import Policy
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.pixels import UnreadableError
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.cores import num_cores
from darkroom.system.errors import InputError
from darkroom.system.scratch import scratch
from darkroom.training.batches import Normalise
from darkroom.training.progressive import resize

MEMORY_BYTES = 2**30  # above this, the pixels are in a scratch file that the system pages in and out


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
        pixels: `(N, S, S, 3) uint8`, RGB.
        targets: `(N,) int64` class indices, or `(N, K) float32` of 0 and 1 for multilabel.
    """

    pixels: Tensor
    targets: Tensor

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
        """Some of the images; see `Inputs.at`."""
        return Examples(self.pixels[rows], self.targets[rows])

    def to(self, device: torch.device) -> "Examples":
        """The same examples where the network is, or with the pixels left here where they would not fit."""
        return Examples(moved(self.pixels, device), self.targets.to(device))

    def pick(self, rows: Tensor, device: torch.device) -> Tensor:
        """Some images as a network's input before normalisation.

        Args:
            rows: `(n,) int64` numbers of images, on the CPU.
            device: Where the network is.

        Returns:
            `(n, 3, S, S) float32` in 0..1.
        """
        return self._picked(rows, device).to(torch.float32).div_(255)

    def _picked(self, rows: Tensor, device: torch.device) -> Tensor:
        return self.pixels[rows.to(self.pixels.device)].to(device, non_blocking=True).permute(0, 3, 1, 2)

    def plain(self, rows: Tensor, normalise: Normalise, device: torch.device) -> Tensor:
        """Normalised images; see `Inputs.plain`."""
        return normalise(self.pick(rows, device))

    def augmented(self, rows: Tensor, draws: Tensor, side_px: int, policy: Policy, normalise: Normalise, device: torch.device) -> Tensor:
        """Augmented and normalised images; see `Inputs.augmented`."""
        return normalise(apply_drawn(policy, resize(self._picked(rows, device), side_px), draws))


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
    pixels = decode(source, manifest.column("image_id"), manifest.column("path"), recipe)
    return Examples(torch.from_numpy(pixels), targets)


def decode(
    source: Images, names: Sequence[str], paths: Sequence[str], recipe: Recipe, unreadable: set[int] | None = None
) -> npt.NDArray[np.uint8]:
    """Decodes images on all cores that the process was given.

    Args:
        source: Packed images.
        names: `image_id` of each.
        paths: What each is called in messages.
        recipe: How each is resized.
        unreadable: Gets the rows of those that can't be decoded, which are left black; none: they are an error.

    Returns:
        `(N, side_px, side_px, 3) uint8`, in the order of `names`; in a scratch file if larger than 1 GiB.

    Raises:
        InputError: An image can't be decoded, or there is no room for all.
    """
    result = scratch((len(names), recipe.side_px, recipe.side_px, 3), np.uint8, MEMORY_BYTES)
    if result.nbytes > MEMORY_BYTES:
        print(f"{result.nbytes / 1e9:,.1f} GB of decoded images are in a scratch file under {tempfile.gettempdir()}", flush=True)

    def fill(row: int) -> None:
        try:
            result[row] = pixels.pixels(source[names[row]], recipe)
        except UnreadableError as error:
            if unreadable is not None:
                result[row] = 0
                unreadable.add(row)
                return
            raise InputError(f"{paths[row]} can't be decoded ({error}): let clean drop it, or repair the file") from None

    with ThreadPoolExecutor(num_cores()) as threads:
        for _ in threads.map(fill, range(len(names))):
            pass
    return result


def channel_statistics(examples: Examples, at_most: int = 4096) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, 0 to 1, over evenly spaced examples; never a deviation of 0."""
    rows = torch.linspace(0, len(examples) - 1, min(len(examples), at_most)).round().to(torch.int64)
    sums, squares, count = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 0
    for some in torch.split(rows, 64):
        values = examples.pixels[some].reshape(-1, 3).to(torch.float64) / 255
        sums, squares, count = sums + values.sum(0), squares + values.square().sum(0), count + len(values)
    mean = sums / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt().clamp_min(1 / 255)
    return tuple(round(value, 6) for value in mean.tolist()), tuple(round(value, 6) for value in std.tolist())


def moved(values: Tensor, device: torch.device) -> Tensor:
    """What a training reads again and again, where the network is, or left on the CPU where it would take more than half of the memory."""
    return values if device.type == "cpu" or 2 * values.nbytes > torch.cuda.mem_get_info(device)[0] else values.to(device)
