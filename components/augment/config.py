"""The settings of `augment`."""

from typing import Literal

from pydantic import Field

from darkroom.system.config import StepConfig


class AugmentConfig(StepConfig):
    """Balances the training split; what training does to a picture on the fly. A strength of 0 leaves an operation out."""

    target_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Training images that each class should have, as a share of the largest's; the loss weighs those that are rare.",
    )
    max_copies_per_image: int = Field(4, ge=0, le=100, description="Copies made of one image at most.")
    max_copies: int = Field(2000, ge=0, description="Copies made in all at most.")
    max_side_px: int = Field(256, ge=8, le=4096, description="Longer side of a copy at most, in pixels.")
    policy: Literal["own", "rand_augment", "trivial_augment"] = Field(
        "own",
        description="own, or rand_augment or trivial_augment in place of the settings from rotation_degrees to hue_degrees but crop.",
    )
    num_ops: int = Field(2, ge=1, le=14, description="Operations that rand_augment draws for an image.")
    magnitude: float = Field(
        9.0, ge=0, le=30, description="Strength of rand_augment's operations, 0 to 30; trivial_augment draws any strength."
    )
    probability: float = Field(
        0.5, ge=0, le=1, description="Chance of each operation at an image; noise, erasing, blur and jpeg have half of it."
    )
    horizontal_flip: float | Literal["auto"] = Field("auto", description="Chance of mirroring left to right, or auto to measure it.")
    vertical_flip: float | Literal["auto"] = Field("auto", description="Chance of mirroring top to bottom, or auto to measure it.")
    flip_min_kept: float = Field(
        0.85,
        ge=0,
        le=1,
        description="Share of a small classifier's skill that auto wants mirroring to keep; photographs keep 0.94 to 0.99, digits 0.53.",
    )
    flip_min_kept_by_label: float = Field(
        0.5, ge=0, le=1, description="The same share at each label alone: mirroring that confuses b with d hardly shows among all letters."
    )
    flip_min_skill: float = Field(
        0.3, gt=0, le=1, description="Skill, from 0 (chance) to 1, below which a label was not learnt, so that auto ignores it."
    )
    rotation_degrees: float = Field(10.0, ge=0, le=180, description="Turned by up to this many degrees either way.")
    scale: float = Field(0.15, ge=0, le=2, description="Enlarged or shrunk by up to this share.")
    aspect: float = Field(0.1, ge=0, le=2, description="Widened or narrowed by up to this share.")
    translation: float = Field(0.1, ge=0, le=1, description="Moved by up to this share of the side.")
    perspective: float = Field(0.1, ge=0, le=0.9, description="Corners pulled inwards by up to this share of half the side.")
    crop: float = Field(0.15, ge=0, le=0.9, description="Share of the side that a window may leave out.")
    brightness: float = Field(0.2, ge=0, le=1, description="Brightness changed by up to this share.")
    contrast: float = Field(0.2, ge=0, le=1, description="Contrast changed by up to this share.")
    saturation: float = Field(0.2, ge=0, le=1, description="Saturation of colours changed by up to this share.")
    hue_degrees: float = Field(0.0, ge=0, le=180, description="Colours turned by up to this many degrees of the colour circle.")
    noise: float = Field(0.02, ge=0, le=1, description="Standard deviation of the noise at most, where white is 1.")
    erasing: float = Field(0.15, ge=0, le=0.9, description="Share of the area that is painted over at most.")
    grey: float = Field(0.0, ge=0, le=1, description="Chance that an image loses its colours.")
    blur: float = Field(0.0, ge=0, le=0.2, description="Standard deviation of the blur at most, as a share of the shorter side.")
    jpeg: int = Field(0, ge=0, le=99, description="Quality that JPEG may take away: at 70, any quality from 30 to 100 is drawn.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides which images are copied and how.")
