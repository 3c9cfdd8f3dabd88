"""The settings of `tune`."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from components.tune.space import check_space, check_storage, grid_of, parameters_of
from darkroom.system.config import StepConfig
from darkroom.system.errors import InputError

Pruner = Literal["auto", "median", "none"]
Sampler = Literal["tpe", "random", "grid"]


class TuneConfig(StepConfig):
    """Searches settings of `train` and `augment` on the validation images (off by default); where on, `train` trains with the best."""

    enabled: bool = Field(False, description="Whether settings are searched; if not, train uses those of its own section alone.")
    search: dict[str, Any] = Field(
        default_factory=lambda: {
            "train.learning_rate": {"low": 2e-4, "high": 1e-2, "log": True},
            "train.weight_decay": {"low": 1e-3, "high": 0.3, "log": True},
            "train.dropout": [0.0, 0.2, 0.4],
            "train.label_smoothing": [0.0, 0.1],
            "train.mixing": [0.0, 0.5],
        },
        description="Settings of train and augment, each with a list of values or a range {low: 1e-4, high: 1e-2, log: true} (or step: 2).",
    )
    num_trials: int = Field(20, ge=2, le=100_000, description="Trials in all; the first has the settings as they are, to compare with.")
    timeout_min: float = Field(
        0.0, ge=0, le=1e6, description="Minutes after which the search ends with the trials that it has; 0: no limit."
    )
    sampler: Sampler = Field("tpe", description="How values are chosen: tpe (learns from trials), random, or grid (each combination once).")
    pruner: Pruner = Field("auto", description="median stops a trial that is worse than the median of the others; auto: none for a grid.")
    pruner_startup_trials: int = Field(5, ge=1, le=100_000, description="Trials that must be complete before another is stopped.")
    pruner_warmup_epochs: int = Field(3, ge=0, le=100_000, description="Epochs in which no trial is stopped.")
    storage: str = Field(
        "",
        description="Where trials are kept: empty for the checkpoints; to share them a file, sqlite:///FILE or postgresql://HOST/NAME.",
    )
    num_workers: int = Field(
        1, ge=1, le=1000, description="Tasks that run trials side by side: on Kubeflow alone, with storage at postgresql://HOST/NAME."
    )
    worker: int = Field(
        0, ge=0, lt=1000, description="Which of them this one is; 0 also says which settings are the best. A pipeline sets it."
    )
    abandoned_min: float = Field(
        60, gt=0, le=1e6, description="Minutes without an epoch after which another machine's trial is taken for killed, and taken over."
    )
    num_resamples: int = Field(1000, ge=100, le=100_000, description="Resampled validation sets for the interval of the gain.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides which values are tried; processes that share a storage have one each.")

    @field_validator("search")
    @classmethod
    def _check_search(cls, search: dict[str, Any]) -> dict[str, Any]:
        return check_space(search)

    @field_validator("storage")
    @classmethod
    def _check_storage(cls, storage: str) -> str:
        return check_storage(storage)

    @model_validator(mode="after")
    def _check_together(self) -> "TuneConfig":
        if self.enabled and not self.search:
            raise InputError("tune.search is empty: name settings, such as {train.dropout: [0.0, 0.2]}")
        if self.sampler == "grid":
            grid_of(parameters_of(self.search))
            if self.pruner == "median":
                raise InputError("tune.pruner is median, which a grid can't have: set it to none or auto, or choose another tune.sampler")
        return self

    @property
    def prunes(self) -> bool:
        """Whether hopeless trials are stopped."""
        return self.pruner == "median" or (self.pruner == "auto" and self.sampler != "grid")
