"""The settings of `clean`."""

from typing import Literal

from pydantic import Field

from darkroom.system.config import StepConfig


class CleanConfig(StepConfig):
    """Drops what can't be learnt from."""

    min_side_px: int = Field(4, ge=1, le=10_000, description="Images whose shorter side is below this are dropped, in pixels.")
    duplicates: Literal["drop", "flag"] = Field(
        "drop",
        description="Images of equal pixels: drop all but one, or flag and keep them (equal files are reduced to one in any case).",
    )
    contradictions: Literal["drop", "keep_first", "flag"] = Field(
        "drop", description="Images of equal pixels and different labels: drop them all, keep the first by path, or flag and keep them."
    )
