"""What storing an image as a JPEG file does to it, for a whole batch on any device: no file is written.

Sources: ITU-T T.81, annex K for the tables; the quality's meaning, the halved colours and their upsampling as in libjpeg.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 8
TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * BLOCK,) * 4),
)


def through_jpeg(images: Tensor, quality: Tensor, uniforms: Tensor) -> Tensor:
    """Images as they come back from JPEG files whose colours have half the resolution.

    Args:
        images: `(n, 3, H, W) float32` in 0..1.
        quality: `(n,)`, 1 to 100.
        uniforms: Not used.

    Returns:
        `(n, 3, H, W) float32` in 0..1, of 256 levels.
    """
    height, width = images.shape[2:]
    to_ycc, to_rgb = (torch.tensor(matrix, device=images.device) for matrix in (TO_YCC, TO_RGB))
    levels = (to_ycc @ images.mul(255).round_().flatten(2)).view_as(images).round_()
    levels[:, 0] -= 128  # as the colours, from -128 to 127
    whole = F.pad(levels, (0, -width % (2 * BLOCK), 0, -height % (2 * BLOCK)), mode="replicate")
    luma = _quantized(whole[:, :1], _tables(LUMA, quality).to(images.device))
    ties = torch.tensor([0.25, 0.5], device=images.device).repeat(whole.shape[3] // 4)  # are rounded down and up in turn
    halves = F.avg_pool2d(whole[:, 1:], 2).add_(ties).floor_()
    chroma = _quantized(halves, _tables(CHROMA, quality).to(images.device))[:, :, : -(-height // 2), : -(-width // 2)]
    chroma = F.interpolate(chroma, size=(2 * chroma.shape[2], 2 * chroma.shape[3]), mode="bilinear", align_corners=False)
    result = torch.cat([luma[:, :, :height, :width], chroma[:, :, :height, :width]], dim=1)
    result[:, 0] += 128
    return (to_rgb @ result.flatten(2)).round_().clamp_(0, 255).div_(255).view_as(images)


def _quantized(planes: Tensor, tables: Tensor) -> Tensor:
    """Planes `(n, C, H, W)` of whole blocks after their cosine transform was rounded to multiples of `tables (n, 8, 8)`."""
    num, channels, height, width = planes.shape
    cosines = _cosines().to(planes.device)
    steps = tables.repeat(1, 1, width // BLOCK)[:, None, None]

    def rows(values: Tensor, matrix: Tensor) -> Tensor:
        return matrix @ values.reshape(num, channels, height // BLOCK, BLOCK, width)

    def columns(values: Tensor, matrix: Tensor) -> Tensor:
        return values.reshape(-1, BLOCK) @ matrix

    waves = columns(rows(planes, cosines), cosines.T).view(num, channels, height // BLOCK, BLOCK, width)
    waves = waves.div_(steps).round_().mul_(steps)
    return columns(rows(waves, cosines.T), cosines).view_as(planes).round_().clamp_(-128, 127)


def _tables(table: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """By how much waves are rounded: `(n, 8, 8) float32`."""
    whole = quality.round().clamp(1, 100)
    percent = torch.where(whole < 50, (5000 / whole).floor(), 200 - 2 * whole)[:, None, None]
    return ((torch.tensor(table) * percent + 50) / 100).floor().clamp(1, 255)


@functools.cache
def _cosines() -> Tensor:
    """The orthonormal cosine transform of 8 values, a row a wave."""
    wave, place = torch.arange(BLOCK)[:, None], torch.arange(BLOCK)[None]
    matrix = torch.cos(math.pi / BLOCK * (place + 0.5) * wave) * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix
