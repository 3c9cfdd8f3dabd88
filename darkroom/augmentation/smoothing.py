"""What mixes a pixel with its surroundings: blur and sharpness, each image by its own strength."""

import torch
from torch import Tensor

SMALLEST_BLUR_PX = 0.05  # below it a pixel's neighbours weigh nothing


def blur(images: Tensor, strength: Tensor, uniforms: Tensor) -> Tensor:
    """Blurs with a Gaussian, mirrored at the border, as one matrix product an axis: any width costs the same.

    Args:
        images: `(n, 3, H, W) float32`.
        strength: `(n,)` standard deviations as shares of the shorter side.
        uniforms: Not used.
    """
    height, width = images.shape[2:]
    std = (strength * min(height, width)).clamp_min(SMALLEST_BLUR_PX)
    across, down = (_smoothing(side, std).to(images.device) for side in (width, height))
    smooth = torch.bmm(images.flatten(1, 2), across.transpose(1, 2)).view_as(images)
    return down[:, None] @ smooth


def _smoothing(side: int, std: Tensor) -> Tensor:
    """`(n, side, side)` matrices that blur a line of pixels; what lies beyond an end is mirrored about the last pixel."""
    place = torch.arange(side, dtype=torch.float32)
    here, there = place[:, None], place[None]
    outside = [-there, 2 * (side - 1) - there] if side > 1 else []  # mirror images; the end pixels have none
    result = torch.exp(-0.5 * ((there - here) / std[:, None, None]).square())
    for number, mirrored in enumerate(outside):
        weight = torch.exp(-0.5 * ((mirrored - here) / std[:, None, None]).square())
        weight[:, :, 0 if number == 0 else -1] = 0
        result += weight
    return result / result.sum(dim=2, keepdim=True)


def sharpen(images: Tensor, strength: Tensor, uniforms: Tensor) -> Tensor:
    """Multiplies the distance of each pixel from a weighted mean of 3 by 3 pixels, but at the border.

    Args:
        images: `(n, 3, H, W) float32` in 0..1.
        strength: `(n,)` factors; below 1 images become softer.
        uniforms: Not used.

    Source: PIL.ImageEnhance.Sharpness, whose weights are 5 in the middle and 1 around it.
    """
    if min(images.shape[2:]) < 3:
        return images
    inner = images[:, :, 1:-1, 1:-1]
    lines = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]
    soft = (lines[..., :-2] + lines[..., 1:-1] + lines[..., 2:]).add_(inner, alpha=4).div_(13)
    result = images.clone()
    result[:, :, 1:-1, 1:-1] = torch.lerp(soft, inner, strength.to(images.device)[:, None, None, None]).clamp_(0, 1)
    return result
