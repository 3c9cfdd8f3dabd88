"""The recipe: how a decoded picture becomes a network's input, the same in embedding, training, evaluation and serving."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from darkroom.preprocessing.corrections import NONE, Corrections
from darkroom.system.formats import record_from

Resampling = Literal["bilinear", "bicubic"]
_OPTIONAL = ("pad", "fill", "corrections")  # fields that stand in a file only where they are used


@dataclass(frozen=True)
class Recipe:
    """How a picture is resized, then corrected.

    Attributes:
        side_px: Side of the square that it becomes.
        resampling: The filter.
        center_crop: Side of the square in its middle that is kept, as a share of its shorter side; 0 keeps the whole picture.
        pad: Whether the whole picture keeps its shape, in the middle of the square; else it is squeezed.
        fill: Grey level beside a picture that is padded, and of a removed background, 0 to 255.
        corrections: What is done to the resized picture, before it is padded.
    """

    side_px: int
    resampling: Resampling = "bilinear"
    center_crop: float = 0.0
    pad: bool = False
    fill: int = 0
    corrections: Corrections = NONE

    def __post_init__(self) -> None:
        """Checks that a picture is cropped or padded, not both."""
        if self.pad and self.center_crop:
            raise ValueError(f"pad is true, and center_crop {self.center_crop:g}: one of them must be off")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe that `plain` gave; fields that a file of before lacks have their defaults."""
        return record_from(cls, {**values, "corrections": record_from(Corrections, values.get("corrections", {}))})

    def plain(self) -> dict[str, Any]:
        """The values as JSON has them; without what is not used, so that what is kept under a hash of them is found again."""
        values, unused = asdict(self), asdict(Recipe(self.side_px))
        return {name: value for name, value in values.items() if name not in _OPTIONAL or value != unused[name]}

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a picture that is kept, in pixels: left, upper, right, lower."""
        if not self.center_crop:
            return (0.0, 0.0, float(width), float(height))
        kept = self.center_crop * min(width, height)
        left, upper = (width - kept) / 2, (height - kept) / 2
        return (left, upper, left + kept, upper + kept)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height, in pixels, that what is kept of a picture is resized to."""
        if not self.pad:
            return (self.side_px, self.side_px)
        longest = max(width, height)
        return (max(1, round(self.side_px * width / longest)), max(1, round(self.side_px * height / longest)))

    def draft_px(self) -> int:
        """Sides below which a picture that is decoded at a fraction of its size must not fall: twice what is kept of it."""
        return round(2 * self.side_px / (self.center_crop or 1.0))
