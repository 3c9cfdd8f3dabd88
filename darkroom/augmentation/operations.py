"""The operations of a policy, on batches of images: each image draws its own, none is touched that drew none.

Used three times: on the fly in training, for the copies that balance classes, and for the contact sheet.
"""

import torch
from torch import Tensor

from darkroom.augmentation.geometry import BUILDERS, NUM_UNIFORMS, matrices, warp
from darkroom.augmentation.photometry import add_noise, erase, recolour
from darkroom.augmentation.policy import OPERATIONS, Policy

CACHED_VALUES = 2**18  # a CPU goes through a batch in parts that stay in its cache: 9 images of 96 px


def apply(policy: Policy, batch: Tensor, generator: torch.Generator) -> Tensor:
    """Augments a batch; all geometry is one resampling, all colour one matrix an image.

    Args:
        policy: What may happen to an image.
        batch: `(N, 3, H, W) float32` in 0..1, on any device; left as it was.
        generator: Source of all randomness.

    Returns:
        A new `(N, 3, H, W) float32` tensor in 0..1; images that drew no operation are equal bit by bit.
    """
    return apply_drawn(policy, batch, draw(len(batch), generator))


def draw(num_images: int, generator: torch.Generator) -> Tensor:
    """All the random numbers that augmenting so many images takes: `(N, operations, numbers) float32` in 0..1, on the CPU."""
    return torch.rand(num_images, len(OPERATIONS), NUM_UNIFORMS + 1, generator=generator, device=generator.device).cpu()


def apply_drawn(policy: Policy, batch: Tensor, draws: Tensor) -> Tensor:
    """Augments images, each by its own random numbers: whichever other images are beside it changes nothing.

    Args:
        policy: What may happen to an image.
        batch: As `apply` takes it.
        draws: Of these images, see `draw`.

    Returns:
        As `apply` does.
    """
    result = batch.clone(memory_format=torch.contiguous_format)
    step = max(1, CACHED_VALUES // batch[:1].numel()) if batch.device.type == "cpu" and len(batch) else max(1, len(batch))
    for part, drawn in zip(torch.split(result, step), torch.split(draws, step), strict=True):
        _augment(policy, part, drawn)
    return result


def _augment(policy: Policy, batch: Tensor, draws: Tensor) -> None:
    uniforms = {name: draws[:, number, 1:] for number, name in enumerate(OPERATIONS)}
    applied = {name: draws[:, number, 0] < _probability(policy, name) for number, name in enumerate(OPERATIONS)}
    for name, axis in (("horizontal_flip", 3), ("vertical_flip", 2)):
        rows = _rows(applied[name], batch)
        if len(rows):
            batch[rows] = batch[rows].flip(axis)
    _warp(policy, batch, uniforms, applied)
    recolour(policy, batch, uniforms, applied)
    _corrupt(policy, batch, uniforms, applied)


def _warp(policy: Policy, batch: Tensor, uniforms: dict[str, Tensor], applied: dict[str, Tensor]) -> None:
    composed = matrices(policy, uniforms, applied, aspect=batch.shape[3] / batch.shape[2])
    if composed is None:
        return
    warped = torch.stack([applied[name] for name in BUILDERS]).any(dim=0)
    rows = _rows(warped, batch)
    batch[rows] = warp(batch[rows], composed[warped].to(batch.device))


def _corrupt(policy: Policy, batch: Tensor, uniforms: dict[str, Tensor], applied: dict[str, Tensor]) -> None:
    for name in ("noise", "erasing"):
        operation, rows = policy.get(name), _rows(applied[name], batch)
        if operation is None or not len(rows):
            continue
        drawn = uniforms[name][applied[name]]
        strength = operation.low + (operation.high - operation.low) * drawn[:, 0]
        if name == "noise":
            add_noise(batch, rows, strength, drawn[:, 1:3])
        else:
            erase(batch, rows, strength, drawn[:, 1:4])


def _probability(policy: Policy, name: str) -> float:
    operation = policy.get(name)
    return operation.probability if operation else 0.0


def _rows(applied: Tensor, batch: Tensor) -> Tensor:
    return applied.nonzero()[:, 0].to(batch.device)
