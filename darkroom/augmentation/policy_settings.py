"""The settings that make a policy: which operations training applies to its images on the fly, how often and how strongly."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from darkroom.augmentation.policy import WITHOUT_STRENGTH, Operation, Policy
from darkroom.augmentation.published_policies import rand_augment, trivial_augment
from darkroom.system.config import StepConfig

FLIPS = ("horizontal_flip", "vertical_flip")  # which may be auto
FLIP_PROBABILITY = 0.5
REPLACED = (  # by a published policy
    "rotation", "scale", "aspect", "translation", "perspective", "brightness", "contrast", "saturation", "hue",
)  # fmt: skip


class PolicySettings(StepConfig):
    """What training does to a picture on the fly. A strength of 0 leaves an operation out."""

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
    horizontal_flip: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = Field(
        "auto", description="Chance of mirroring left to right, or auto to measure it."
    )
    vertical_flip: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = Field(
        "auto", description="Chance of mirroring top to bottom, or auto to measure it."
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


def make_policy(config: PolicySettings, keeps_labels: Mapping[str, bool]) -> Policy:
    """The policy of these settings.

    Args:
        config: The settings.
        keeps_labels: Whether mirroring keeps labels, by operation, where that was measured; what is `auto` follows it.
    """
    chance, half = config.probability, config.probability / 2
    drawn = [
        ("horizontal_flip", _flip(config.horizontal_flip, keeps_labels.get("horizontal_flip"), without_evidence=True), 0.0, 0.0),
        ("vertical_flip", _flip(config.vertical_flip, keeps_labels.get("vertical_flip"), without_evidence=False), 0.0, 0.0),
        ("rotation", chance, -config.rotation_degrees, config.rotation_degrees),
        ("scale", chance, 1 / (1 + config.scale), 1 + config.scale),
        ("aspect", chance, 1 / (1 + config.aspect), 1 + config.aspect),
        ("translation", chance, -config.translation, config.translation),
        ("perspective", chance, 0.0, config.perspective),
        ("crop", chance, 1 - config.crop, 1.0),
        ("brightness", chance, 1 - config.brightness, 1 + config.brightness),
        ("contrast", chance, 1 - config.contrast, 1 + config.contrast),
        ("saturation", chance, 1 - config.saturation, 1 + config.saturation),
        ("hue", chance, -config.hue_degrees, config.hue_degrees),
        ("noise", half, 0.0, config.noise),
        ("erasing", half, 0.0, config.erasing),
        ("grey", config.grey, 0.0, 0.0),
        ("blur", half, 0.0, config.blur),
        ("jpeg", half, 100.0 - config.jpeg, 100.0),
    ]
    operations = [Operation(name=name, probability=probability, low=low, high=high) for name, probability, low, high in drawn]
    own = tuple(one for one in operations if one.probability > 0 and (one.name in WITHOUT_STRENGTH or one.low < one.high))
    if config.policy == "own":
        return Policy(operations=own)
    kept = tuple(one for one in own if one.name not in REPLACED)
    if config.policy == "trivial_augment":
        return Policy(operations=kept, num_choices=1, choices=trivial_augment())
    return Policy(operations=kept, num_choices=config.num_ops, choices=rand_augment(config.magnitude))


def _flip(setting: float | str, keeps_labels: bool | None, *, without_evidence: bool) -> float:
    if not isinstance(setting, str):
        return setting
    return FLIP_PROBABILITY if (without_evidence if keeps_labels is None else keeps_labels) else 0.0
