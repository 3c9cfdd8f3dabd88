"""The policy: one JSON file that says which operations training applies to its images, how often and how strongly.

Chosen by `augment`, applied on the fly by `train` and `prune` (see `darkroom.augmentation.operations`). Operations run
in the order of `OPERATIONS`, whatever their order in the file; an operation that is not listed does not happen.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from darkroom.system.files import read_json, write_json

OPERATIONS: Mapping[str, str] = {
    "horizontal_flip": "mirrored left to right (no strength)",
    "vertical_flip": "mirrored top to bottom (no strength)",
    "rotation": "turned counter-clockwise by degrees",
    "scale": "enlarged by a factor; below 1 it shrinks",
    "aspect": "widened by a factor, and made lower by the same",
    "translation": "moved right and moved down, each by a share of the side",
    "perspective": "each corner pulled inwards by a share of half the side, seen from an angle",
    "crop": "a window of this share of each side, anywhere in the image, brought to full size",
    "brightness": "multiplied by a factor",
    "contrast": "distance of each pixel from the image's mean grey multiplied by a factor",
    "saturation": "distance of each pixel from its own grey multiplied by a factor",
    "hue": "colours turned around the grey axis by degrees",
    "noise": "Gaussian noise of this standard deviation, where white is 1",
    "erasing": "a rectangle of this share of the area painted in the image's mean colour",
}


class Operation(BaseModel):
    """One operation: each image draws whether it happens, and how strongly, evenly between `low` and `high`.

    Attributes:
        name: One of `OPERATIONS`, which gives the strength's unit.
        probability: Chance that an image gets it, 0 to 1.
        low: Smallest strength.
        high: Largest strength.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    probability: float = Field(ge=0, le=1)
    low: float = 0.0
    high: float = 0.0

    @model_validator(mode="after")
    def _known_and_ordered(self) -> "Operation":
        if self.name not in OPERATIONS:
            raise ValueError(f"{self.name!r} is no operation: known are {', '.join(OPERATIONS)}")
        if self.low > self.high:
            raise ValueError(f"{self.name}: low {self.low} is above high {self.high}")
        return self


class Policy(BaseModel):
    """The operations that training applies, each at most once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operations: tuple[Operation, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> "Policy":
        names = [operation.name for operation in self.operations]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"operations listed twice: {', '.join(twice)}")
        return self

    def get(self, name: str) -> Operation | None:
        """The operation of that name if it can happen at all, else none."""
        return next((operation for operation in self.operations if operation.name == name and operation.probability > 0), None)

    def write(self, path: Path) -> None:
        """Writes the policy as JSON; equal policies make equal bytes."""
        write_json(path, self.model_dump(mode="json"))


def read(path: Path) -> Policy:
    """Reads a policy that `Policy.write` wrote."""
    return Policy.model_validate(read_json(path))
