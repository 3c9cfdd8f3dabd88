"""The policy: one JSON file that says which operations training applies to its images, how often and how strongly.

Chosen by `augment`, applied on the fly by `train` and `prune` (see `darkroom.augmentation.operations`), in the same order
whatever their order in the file; an operation that is not listed does not happen.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from darkroom.system.files import read_json, write_json

if TYPE_CHECKING:
    from torch import Tensor

OPERATIONS: Mapping[str, str] = {  # an image draws numbers for each by its place here, so new ones stand last
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
    "horizontal_shear": "each row moved sideways by this share of its distance from the middle",
    "vertical_shear": "each column moved up or down by this share of its distance from the middle",
    "horizontal_translation": "moved right by a share of the width",
    "vertical_translation": "moved down by a share of the height",
    "grey": "without colour (no strength)",
    "sharpness": "distance of each pixel from the mean of its surroundings multiplied by a factor",
    "posterize": "so many bits kept of a channel's eight",
    "solarize": "inverted from this value on, where white is 1",
    "autocontrast": "each channel stretched from black to white (no strength)",
    "equalize": "each channel's values spread evenly (no strength)",
    "blur": "Gaussian blur whose standard deviation is this share of the shorter side",
    "jpeg": "compressed as a JPEG file of this quality, 1 to 100",
}
WITHOUT_STRENGTH = ("horizontal_flip", "vertical_flip", "grey", "autocontrast", "equalize")
NUM_FIRST = list(OPERATIONS).index("erasing") + 1  # operations that every policy draws numbers for


class Operation(BaseModel):
    """One operation: each image draws whether it happens, and how strongly.

    Attributes:
        name: One of `OPERATIONS`, which gives the strength's unit.
        probability: Chance that an image gets it, 0 to 1.
        low: Smallest strength.
        high: Largest strength.
        only_ends: The strength is `low` or `high`, as often the one as the other; else any between them, evenly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    probability: float = Field(ge=0, le=1)
    low: float = 0.0
    high: float = 0.0
    only_ends: bool = False

    @model_validator(mode="after")
    def _known_and_ordered(self) -> "Operation":
        if self.name not in OPERATIONS:
            raise ValueError(f"{self.name!r} is no operation: known are {', '.join(OPERATIONS)}")
        if self.low > self.high:
            raise ValueError(f"{self.name}: low {self.low} is above high {self.high}")
        return self

    def strengths(self, uniforms: "Tensor") -> "Tensor":
        """Strengths for numbers in 0..1."""
        return self.low + (self.high - self.low) * (uniforms.round() if self.only_ends else uniforms)


class Policy(BaseModel):
    """What training does to images.

    Attributes:
        operations: Each image draws each of them by itself; each is listed at most once.
        num_choices: How often an image draws one of the choices, one after the other.
        choices: A probability here is the chance of the operation in one such draw; what they leave of 1 is the chance of none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    operations: tuple[Operation, ...] = ()
    num_choices: int = Field(default=0, ge=0)
    choices: tuple[Operation, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for listed in (self.operations, self.choices):
            names = [operation.name for operation in listed]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"operations listed twice: {', '.join(twice)}")
        total = sum(operation.probability for operation in self.choices)
        if total > 1 + 1e-6:
            raise ValueError(f"the probabilities of the choices add up to {total:.3g}: they may not exceed 1")
        return self

    @property
    def all_operations(self) -> tuple[Operation, ...]:
        """What may happen to an image: the operations, and the choices where any is drawn."""
        return (*self.operations, *self.choices) if self.num_choices else self.operations

    @property
    def num_numbered(self) -> int:
        """For how many of `OPERATIONS`, the first ones, an image draws numbers."""
        names = {operation.name for operation in self.operations}
        return max([NUM_FIRST, *(number for number, name in enumerate(OPERATIONS, start=1) if name in names)])

    def get(self, name: str) -> Operation | None:
        """The operation of that name if it can happen at all, else none."""
        return next((operation for operation in self.operations if operation.name == name and operation.probability > 0), None)

    def write(self, path: Path) -> None:
        """Writes the policy as JSON; equal policies make equal bytes."""
        write_json(path, self.model_dump(mode="json"))


def read(path: Path) -> Policy:
    """Reads a policy that `Policy.write` wrote."""
    return Policy.model_validate(read_json(path))
