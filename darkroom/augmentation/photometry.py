"""What happens to a pixel where it is: brightness, contrast and colour as one matrix an image; noise and erasing."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from darkroom.augmentation.policy import Policy

GREY = (0.299, 0.587, 0.114)
COLOUR_NAMES = ("brightness", "contrast", "saturation", "hue")
SEED_VALUES = 2**24  # that a random float32 in 0..1 can have


def recolour(policy: Policy, batch: Tensor, uniforms: Mapping[str, Tensor], applied: Mapping[str, Tensor]) -> Tensor:
    """Applies brightness, contrast, saturation and hue to the images that drew any, in place.

    All four are affine in the three channels, so their product costs one pass over the pixels.

    Args:
        policy: Says how strong each may be.
        batch: `(N, 3, H, W) float32` in 0..1.
        uniforms: For each operation `(N, U) float32` in 0..1.
        applied: For each operation `(N,) bool`: which images get it.

    Returns:
        The batch, in 0..1.
    """
    names = [name for name in COLOUR_NAMES if policy.get(name) is not None and bool(applied[name].any())]
    if not names:
        return batch
    rows = torch.stack([applied[name] for name in names]).any(dim=0).nonzero()[:, 0]
    chosen = batch[rows.to(batch.device)]
    matrix, offset = torch.eye(3).repeat(len(rows), 1, 1), torch.zeros(len(rows), 3, 1)
    mean = chosen.mean(dim=(2, 3)).cpu()[:, :, None]
    for name in names:
        operation = policy.get(name)
        assert operation is not None
        strength = operation.low + (operation.high - operation.low) * uniforms[name][rows, 0]
        on = applied[name][rows]
        neutral = 0.0 if name == "hue" else 1.0
        step, shift = _step(name, torch.where(on, strength, neutral), matrix @ mean + offset)
        matrix, offset = step @ matrix, step @ offset + shift
    flat = chosen.flatten(2)
    coloured = torch.baddbmm(offset.to(batch), matrix.to(batch), flat).clamp_(0, 1)
    batch[rows.to(batch.device)] = coloured.view_as(chosen)
    return batch


def _step(name: str, strength: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """One operation as `(N, 3, 3)` matrix and `(N, 3, 1)` offset; `mean` is the image's mean colour before it."""
    identity = torch.eye(3).expand(len(strength), 3, 3)
    factor, none = strength[:, None, None], torch.zeros_like(mean)
    grey = torch.tensor(GREY)
    if name == "brightness":
        return identity * factor, none
    if name == "contrast":
        level = (mean[:, :, 0] @ grey)[:, None, None].expand_as(mean)
        return identity * factor, level * (1 - factor)
    if name == "saturation":
        return identity * factor + (1 - factor) * grey.expand(3, 3), none
    return _rotate_hue(strength * (math.pi / 180)), none


def _rotate_hue(angle: Tensor) -> Tensor:
    """Rotation of colours about the grey axis: `(N,)` radians to `(N, 3, 3)`, grey left as it is.

    Source: Rodrigues' rotation formula about (1, 1, 1).
    """
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    third, root = 1 / 3, math.sqrt(1 / 3)
    cross = torch.tensor([[0.0, -root, root], [root, 0.0, -root], [-root, root, 0.0]])
    return torch.eye(3) * cos + torch.full((3, 3), third) * (1 - cos) + cross * sin


def add_noise(batch: Tensor, rows: Tensor, std: Tensor, uniforms: Tensor) -> Tensor:
    """Adds Gaussian noise to images, in place, within 0..1.

    Args:
        batch: `(N, 3, H, W) float32`.
        rows: `(n,)` indices of images.
        std: `(n,)` standard deviations.
        uniforms: `(n, 2)` in 0..1: the seed of an image's noise, which so does not depend on the images beside it.
    """
    generator = torch.Generator(batch.device)
    noise = torch.empty(len(rows), *batch.shape[1:], device=batch.device)
    for image, (high, low) in zip(noise, (uniforms * SEED_VALUES).to(torch.int64).tolist(), strict=True):
        image.normal_(generator=generator.manual_seed(high * SEED_VALUES + low))
    noise.mul_(std.to(batch.device)[:, None, None, None]).add_(batch[rows]).clamp_(0, 1)
    batch[rows] = noise
    return batch


def erase(batch: Tensor, rows: Tensor, share: Tensor, uniforms: Tensor) -> Tensor:
    """Paints a rectangle of each image `rows (n,)` in the image's mean colour, in place.

    Args:
        batch: `(N, 3, H, W) float32`.
        rows: `(n,)` indices of images.
        share: `(n,)` share of the area.
        uniforms: `(n, 3)` in 0..1: the rectangle's shape (ratio 1:2 to 2:1) and place.

    Source: Zhong et al., Random Erasing Data Augmentation, AAAI 2020.
    """
    height, width = batch.shape[2:]
    ratio = torch.exp((2 * uniforms[:, 0] - 1) * math.log(2))
    high = (torch.sqrt(share * ratio) * height).round().clamp(0, height)
    wide = (torch.sqrt(share / ratio) * width).round().clamp(0, width)
    top = (uniforms[:, 1] * (height - high + 1)).floor()
    left = (uniforms[:, 2] * (width - wide + 1)).floor()
    y, x = torch.arange(height)[None], torch.arange(width)[None]
    in_rows = (y >= top[:, None]) & (y < (top + high)[:, None])
    in_columns = (x >= left[:, None]) & (x < (left + wide)[:, None])
    hidden = (in_rows[:, None, :, None] & in_columns[:, None, None, :]).to(batch.device)
    chosen = batch[rows]
    batch[rows] = torch.where(hidden, chosen.mean(dim=(2, 3), keepdim=True), chosen)
    return batch
