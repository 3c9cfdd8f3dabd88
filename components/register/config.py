"""The settings of `register`."""

from typing import Literal

from pydantic import Field

from components.config import StepConfig


class RegisterConfig(StepConfig):
    """Settings of `register`."""

    name: str = Field("", max_length=200, description="Name of the model in the registry; empty: named after the data source.")
    measure: Literal["accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "f1_micro", "f1_weighted",
                     "roc_auc", "average_precision"] = Field(
        "f1_macro", description="Measure on the shared test images that decides between champion and challenger."
    )  # fmt: skip
    min_gain: float = Field(
        0.0, ge=0, lt=1, description="The champion is replaced if the new model's measure is larger by more than this (0 to 1)."
    )
