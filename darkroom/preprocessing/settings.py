"""The settings of the recipe: how pictures are resized, corrected and normalised."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.preprocessing.corrections import KINDS, Background, Colour, Contrast, Corrections, Denoise
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.config import StepConfig

Auto = Literal["auto"]
Normalise = Literal["auto", "unit", "symmetric", "data", "weights"]
AUTO = "auto"


class PreprocessingSettings(StepConfig):
    """How pictures become a network's input, in training, evaluation and serving alike; `embed` has its backbone's own way."""

    resize: Literal["stretch", "pad", "crop"] = Field(
        "stretch", description="How images become square: stretch (squeezed), pad (whole, with fill beside them) or crop (their middle)."
    )
    fill: int = Field(0, ge=0, le=255, description="Grey level beside padded images and in place of a removed background: 0 is black.")
    normalise: Normalise = Field(
        "auto",
        description="unit (0 to 1), symmetric (-1 to 1), data (the training images) or weights (as theirs were); auto: weights, else data.",
    )
    denoise: Denoise | Auto = Field(
        "none", description="Noise reduction: none, median, bilateral or non_local_means; auto: what validation gains from, if anything."
    )
    noise_level: float = Field(
        10.0, gt=0, le=255, description="Differences that bilateral and non_local_means take for noise, in grey levels of 255."
    )
    colour: Colour | Auto = Field(
        "none", description="Colour correction: none, or grey_world (channels of one mean); auto: what validation gains from."
    )
    brightness: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Mean brightness, 0 to 1, that gamma brings each image about to; 0: it is left as it is."
    )
    contrast: Contrast | Auto = Field(
        "none", description="Contrast: none, clahe (in tiles, limited) or equalise (the histogram); auto: what validation gains from."
    )
    clahe_limit: float = Field(2.0, gt=0, le=100, description="How much steeper than before clahe may make the contrast.")
    clahe_tiles: int = Field(8, ge=1, le=64, description="Tiles a side of clahe; fewer where they would have less than 8 pixels a side.")
    background: Background | Auto = Field(
        "none", description="Background: none (is left) or grabcut (is filled, where things stand in the middle); auto: as above."
    )
    background_margin: float = Field(
        0.05, gt=0, lt=0.5, description="Share of each side, along the edges, that grabcut takes for background to begin with."
    )

    @property
    def undecided(self) -> tuple[str, ...]:
        """The corrections that are `auto`."""
        return tuple(name for name in KINDS if getattr(self, name) == AUTO)

    @property
    def corrections(self) -> Corrections:
        """The corrections that are set; what is `auto` makes none."""
        given = {name: getattr(self, name) for name in Corrections.__dataclass_fields__}
        return Corrections(**{**given, **dict.fromkeys(self.undecided, "none")})

    def recipe(self, side_px: int) -> Recipe:
        """How a picture becomes a square of a side."""
        crop, pad = float(self.resize == "crop"), self.resize == "pad"
        return Recipe(side_px, center_crop=crop, pad=pad, fill=self.fill, corrections=self.corrections)
