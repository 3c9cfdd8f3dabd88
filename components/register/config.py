"""The settings of `register`."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.system.config import StepConfig

NoLimit = Literal["none"]


class RegisterConfig(StepConfig):
    """Writes the model to the registry, and decides when `champion` moves."""

    name: str = Field("", max_length=200, description="Name of the model in the registry; empty: named after the data source.")
    measure: Literal["accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "f1_micro", "f1_weighted",
                     "roc_auc", "average_precision"] = Field(
        "f1_macro", description="Measure on the shared test images that decides between champion and challenger."
    )  # fmt: skip
    min_gain: float = Field(
        0.0, ge=0, lt=1, description="The champion is replaced if the new model's measure is larger by more than this (0 to 1)."
    )
    promote_if: Literal["better", "significantly_better", "not_worse"] = Field(
        "better",
        description="better: p < 0.5, or no image is lost; significantly_better: p < significance; not_worse: not significantly worse, "
        "min_gain aside.",
    )
    significance: float = Field(0.05, gt=0, lt=1, description="From which p-value on a difference is more than chance.")
    max_recall_drop: Annotated[float, Field(ge=0, lt=1)] | NoLimit = Field(
        0.1, description="Largest fall of a class's recall, counted where it is significant (one-sided), or none."
    )
    max_latency_ms: Annotated[float, Field(gt=0)] | NoLimit = Field(
        "none", description="Largest latency of the registered model, milliseconds an image on this machine, or none."
    )
    max_latency_ratio: Annotated[float, Field(gt=0)] | NoLimit = Field(
        "none", description="Largest latency as a share of the champion's, both timed in turns on this machine, or none."
    )
    max_size_mb: Annotated[float, Field(gt=0)] | NoLimit = Field(
        "none", description="Largest size of the registered model's graph, in megabytes of 2^20 bytes, or none."
    )
    max_size_ratio: Annotated[float, Field(gt=0)] | NoLimit = Field(
        "none", description="Largest size as a share of the champion's, or none."
    )
    num_resamples: int = Field(2000, ge=100, le=100_000, description="Test sets that are drawn for intervals and p-values.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides which test sets are drawn.")
