"""The recipe: how a decoded picture becomes a network's input, the same in embedding, training, evaluation and serving."""

from dataclasses import dataclass
from typing import Literal

Resampling = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Recipe:
    """How a picture is resized.

    Attributes:
        side_px: Side of the square that it becomes.
        resampling: The filter.
        center_crop: Side of the square in its middle that is kept, as a share of its shorter side; 0 squeezes the whole picture.
    """

    side_px: int
    resampling: Resampling = "bilinear"
    center_crop: float = 0.0

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a picture that is kept, in pixels: left, upper, right, lower."""
        if not self.center_crop:
            return (0.0, 0.0, float(width), float(height))
        kept = self.center_crop * min(width, height)
        left, upper = (width - kept) / 2, (height - kept) / 2
        return (left, upper, left + kept, upper + kept)

    def draft_px(self) -> int:
        """Sides below which a picture that is decoded at a fraction of its size must not fall: twice what is kept of it."""
        return round(2 * self.side_px / (self.center_crop or 1.0))
