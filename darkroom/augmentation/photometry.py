"""What happens to a pixel where it is: brightness, contrast and colour as one matrix an image; noise and erasing."""

import math

import torch
from torch import Tensor

from darkroom.augmentation.draws import Happenings, picked, put

GREY = (0.299, 0.587, 0.114)
COLOUR_NAMES = ("brightness", "contrast", "saturation", "hue", "grey")
SEED_VALUES = 2**24  # that a random float32 in 0..1 can have


def recolour(batch: Tensor, happenings: Happenings) -> Tensor:
    """Applies brightness, contrast, saturation, hue and grey to the images that drew any, in place.

    All five are affine in the three channels, so their product costs one pass over the pixels.

    Args:
        batch: `(N, 3, H, W) float32` in 0..1.
        happenings: What happens to its images.

    Returns:
        The batch, in 0..1.
    """
    names = [name for name in COLOUR_NAMES if name in happenings]
    if not names:
        return batch
    rows = torch.stack([happenings[name].applied for name in names]).any(dim=0).nonzero()[:, 0]
    there = rows.to(batch.device)
    chosen = picked(batch, there)
    matrix, offset = torch.eye(3).repeat(len(rows), 1, 1), torch.zeros(len(rows), 3, 1)
    mean = chosen.mean(dim=(2, 3)).cpu()[:, :, None]
    for name in names:
        neutral = 0.0 if name == "hue" else 1.0
        strength = torch.where(happenings[name].applied, happenings[name].strengths, neutral)[rows]
        step, shift = _step(name, strength, matrix @ mean + offset)
        matrix, offset = step @ matrix, step @ offset + shift
    flat = chosen.flatten(2)
    coloured = torch.baddbmm(offset.to(batch), matrix.to(batch), flat).clamp_(0, 1)
    put(batch, there, coloured.view_as(chosen))
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
    if name in ("saturation", "grey"):  # grey's strength is always 0
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


def add_noise(images: Tensor, strength: Tensor, uniforms: Tensor) -> Tensor:
    """Adds Gaussian noise, within 0..1.

    Args:
        images: `(n, 3, H, W) float32`.
        strength: `(n,)` standard deviations.
        uniforms: `(n, U)` in 0..1: the second and third are the seed of an image's noise, which so does not depend on the
            images beside it.
    """
    generator = torch.Generator(images.device)
    noise = torch.empty_like(images)
    for image, (high, low) in zip(noise, (uniforms[:, 1:3] * SEED_VALUES).to(torch.int64).tolist(), strict=True):
        image.normal_(generator=generator.manual_seed(high * SEED_VALUES + low))
    return noise.mul_(strength.to(images.device)[:, None, None, None]).add_(images).clamp_(0, 1)


def erase(images: Tensor, strength: Tensor, uniforms: Tensor) -> Tensor:
    """Paints a rectangle of each image in the image's mean colour.

    Args:
        images: `(n, 3, H, W) float32`.
        strength: `(n,)` shares of the area.
        uniforms: `(n, U)` in 0..1: the second to fourth are the rectangle's shape (ratio 1:2 to 2:1) and place.

    Source: Zhong et al., Random Erasing Data Augmentation, AAAI 2020.
    """
    height, width = images.shape[2:]
    ratio = torch.exp((2 * uniforms[:, 1] - 1) * math.log(2))
    high = (torch.sqrt(strength * ratio) * height).round().clamp(0, height)
    wide = (torch.sqrt(strength / ratio) * width).round().clamp(0, width)
    top = (uniforms[:, 2] * (height - high + 1)).floor()
    left = (uniforms[:, 3] * (width - wide + 1)).floor()
    y, x = torch.arange(height)[None], torch.arange(width)[None]
    in_rows = (y >= top[:, None]) & (y < (top + high)[:, None])
    in_columns = (x >= left[:, None]) & (x < (left + wide)[:, None])
    hidden = (in_rows[:, None, :, None] & in_columns[:, None, None, :]).to(images.device)
    return torch.where(hidden, images.mean(dim=(2, 3), keepdim=True), images)
