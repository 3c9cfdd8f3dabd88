"""What maps the values of each channel by a curve: posterize, solarize, autocontrast and equalize, each image by its own.

Source: PIL.ImageOps, whose results are met to the level for images of 256 levels.
"""

import torch
from torch import Tensor

NUM_LEVELS = 256


def posterize(images: Tensor, strength: Tensor, uniforms: Tensor) -> Tensor:
    """Keeps the first `strength (n,)` of the eight bits of each value of `images (n, 3, H, W) float32` in 0..1."""
    step = 2 ** (8 - strength.round()).to(images.device)[:, None, None, None]
    return _levels(images).div_(step).floor_().mul_(step).div_(NUM_LEVELS - 1)


def solarize(images: Tensor, strength: Tensor, uniforms: Tensor) -> Tensor:
    """Inverts the values of `images (n, 3, H, W) float32` in 0..1 from `strength (n,)` on."""
    return torch.where(images >= strength.to(images)[:, None, None, None], 1 - images, images)


def autocontrast(images: Tensor, strength: Tensor, uniforms: Tensor) -> Tensor:
    """Stretches each channel of `images (n, 3, H, W) float32` to 0..1; one that has a single value is left as it is."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    is_flat = high == low
    return (images - low.masked_fill(is_flat, 0)).div_((high - low).masked_fill_(is_flat, 1)).clamp_(0, 1)


def equalize(images: Tensor, strength: Tensor, uniforms: Tensor) -> Tensor:
    """Spreads the values of each channel of `images (n, 3, H, W) float32` in 0..1 evenly; one of few values is left as it is."""
    num, pixels = images.shape[0] * images.shape[1], images.shape[2] * images.shape[3]
    levels = _levels(images).long().view(num, pixels)
    counts = torch.zeros(num, NUM_LEVELS, dtype=torch.int64, device=images.device).scatter_add_(1, levels, torch.ones_like(levels))
    last = NUM_LEVELS - 1 - counts.flip(1).ne(0).int().argmax(dim=1, keepdim=True)
    brightest = counts.gather(1, last)
    step = (pixels - brightest) // (NUM_LEVELS - 1)
    below = counts.cumsum(dim=1) - counts
    curve = ((below + step // 2) // step.clamp_min(1)).clamp_(0, NUM_LEVELS - 1)
    curve = torch.where(step > 0, curve, torch.arange(NUM_LEVELS, device=images.device))
    return curve.to(images.dtype).div_(NUM_LEVELS - 1).gather(1, levels).view_as(images)


def _levels(images: Tensor) -> Tensor:
    return images.mul(NUM_LEVELS - 1).round_()
