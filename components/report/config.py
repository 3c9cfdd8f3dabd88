"""The settings of `report`."""

from pydantic import Field

from darkroom.system.config import StepConfig


class ReportConfig(StepConfig):
    """How much the report shows: one page, from the data to the decision."""

    num_examples: int = Field(3, ge=0, le=100, description="Files that are named as examples of each kind of finding.")
    max_sheet_px: int = Field(1600, ge=200, le=10_000, description="Width of the picture of the augmentations at most, in pixels.")
