"""The settings of `split`."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from darkroom.system.config import StepConfig
from darkroom.system.errors import InputError


class SplitConfig(StepConfig):
    """Assigns every image to train, validation or test."""

    test_fraction: float = Field(0.15, gt=0, lt=1, description="Share of the images held out for testing.")
    validation_fraction: float = Field(0.15, gt=0, lt=1, description="Share of the images held out for choosing the epoch.")
    test_images: int = Field(0, ge=0, description="About how many images are held out for testing, in place of test_fraction; 0: by that.")
    validation_images: int = Field(0, ge=0, description="The same for choosing the epoch, in place of validation_fraction.")
    hold_out: str = Field(
        "",
        description="Column (group, or one of the table: site, date) by whose values, each as a whole, the test images are chosen.",
    )
    hold_out_values: tuple[str, ...] = Field(
        (), description="Which values of hold_out; empty: the latest dates or largest numbers, about as many images as are to be tested on."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Decides which images go where.")
    given: Literal["keep", "ignore"] = Field("keep", description="Whether train, validation and test of the source are kept.")
    previous: str = Field(
        "champion",
        min_length=1,
        description="The earlier assignment that is kept: champion (without one the newest version's), none, or a file.",
    )
    num_folds: int = Field(
        0,
        ge=0,
        le=100,
        description="Folds of the images for training and validation: train trains a model a fold first, and says how much results vary.",
    )
    max_excluded: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Largest share of the images that ties and merged leaks to test or validation may exclude from training.",
    )
    leaks: Literal["warn", "fail", "merge"] = Field(
        "warn",
        description="Tested images with a suspicious neighbour in training: warn, fail, or merge what would leak onto one side.",
    )
    leak_quantile: float = Field(
        0.999,
        ge=0.5,
        lt=1,
        description="A neighbour is suspicious if it is nearer than this share of images of different things has theirs.",
    )
    max_leak_tested: int = Field(
        10_000, ge=1, description="Tested images that are looked at for leaks; of more, a sample of so many says what share leaks."
    )
    straddling: Literal["fail", "warn"] = Field("fail", description="What happens if a group or a cluster stands in two splits.")
    missing_classes: Literal["warn", "fail"] = Field("warn", description="What happens if a split has no image of a class.")
    rare_classes: Literal["drop", "fail"] = Field(
        "drop", description="What happens to a class with fewer independent images than there are splits."
    )

    @field_validator("hold_out_values")
    @classmethod
    def _of_a_column(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if values and not info.data.get("hold_out"):
            raise PydanticCustomError("no_column", "They are of no column, name it in hold_out")
        return values

    @field_validator("num_folds")
    @classmethod
    def _two_or_none(cls, value: int) -> int:
        if value == 1:
            raise PydanticCustomError("one_fold", "One fold leaves nothing to train on, set 0 for none or 2 and more")
        return value

    @field_validator("validation_fraction")
    @classmethod
    def _something_left(cls, value: float, info: ValidationInfo) -> float:
        test = info.data.get("test_fraction", 0.0)
        if test + value >= 1:
            raise PydanticCustomError("nothing_left", f"With test_fraction {test} it leaves nothing to train on, make one of them smaller")
        return value

    def shares(self, num_images: int, takes_validation: bool = True, takes_test: bool = True) -> tuple[float, float, float]:
        """The share of the images that train, validation and test should have. Of one that takes none it only matters for the ratio.

        Args:
            num_images: All that are split, without those of a split that takes no further ones.
            takes_validation: Whether validation takes images; if not, their number plays no part.
            takes_test: Whether the test split does.

        Raises:
            InputError: The numbers that are set leave nothing to train on.
        """
        wanted = {"validation": takes_validation * self.validation_images, "test": takes_test * self.test_images}
        in_ratio = not any(wanted.values())
        validation = wanted["validation"] / num_images or self.validation_fraction * (takes_validation or in_ratio)
        test = wanted["test"] / num_images or self.test_fraction * (takes_test or in_ratio)
        if test + validation >= 1:
            named = " and ".join(f"split.{name}_images {number}" for name, number in wanted.items() if number)
            raise InputError(f"nothing of {num_images:,} images is left to train on with {named}: set less, or 0 for the fractions")
        return 1 - test - validation, validation, test
