"""Progressive resizing: training begins with smaller images, of which each takes less time, and ends at the full side.

Source: Howard 2018, "Training ImageNet in 3 hours for 25 minutes" (fast.ai); Tan and Le 2021, "EfficientNetV2".
"""

import torch
import torch.nn.functional as F
from torch import Tensor

STEP_PX = 32  # networks halve a side up to five times
GROWING_SHARE = 2 / 3  # of the epochs; in the others the images have their full side


def side_at(epoch: float, epochs: int, side_px: int, first_side_share: float) -> int:
    """The side of the images in an epoch: a multiple of 32, or the full side.

    Args:
        epoch: Position in the schedule, from 0.
        epochs: Of the whole training.
        side_px: The full side.
        first_side_share: The side of the first epoch as a share of it; it grows evenly to 1.
    """
    grown = min(1.0, epoch / (GROWING_SHARE * epochs))
    side = STEP_PX * round(side_px * (first_side_share + (1 - first_side_share) * grown) / STEP_PX)
    return min(max(side, STEP_PX), side_px) if first_side_share < 1 and grown < 1 else side_px


def share_of_pixels(first_side_share: float) -> float:
    """How many pixels a training reads, as a share of those that it would read at the full side."""
    growing = (1 + first_side_share + first_side_share**2) / 3  # the mean of a square that grows evenly
    return 1 - GROWING_SHARE * (1 - growing)


def resize(images: Tensor, side_px: int) -> Tensor:
    """Images `(N, 3, S, S) uint8` of another side."""
    if images.shape[-1] == side_px:
        return images
    if images.is_cuda:  # where bytes can't be resized
        return F.interpolate(images.float(), size=(side_px, side_px), mode="bilinear", antialias=True).round_().to(torch.uint8)
    return F.interpolate(images, size=(side_px, side_px), mode="bilinear", antialias=True)
