"""The settings of `evaluate`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from darkroom.system.config import StepConfig
from darkroom.system.cores import num_cores


class EvaluateConfig(StepConfig):
    """Measures the model on the test split."""

    data: str = Field("", description="A frozen evaluation set that is scored instead of the test split: any data source; empty: none.")
    ingest: dict[str, Any] = Field(
        {}, description="Settings of ingest for `data` alone, such as {label_column: finding}; the others are those of the training data."
    )
    data_version: str = Field(
        "", description="The version that `data` must have, as `darkroom data version` shows it; empty: the one it has now."
    )
    batch_size: int = Field(64, ge=1, le=4096, description="Images that are scored at once.")
    num_mistakes: int = Field(16, ge=0, le=1000, description="Worst mistakes that are kept as pictures.")
    num_leaks: int = Field(
        12, ge=0, le=1000, description="Images with a suspicious neighbour in training that are kept as pictures, with it."
    )
    num_resamples: int = Field(1000, ge=100, le=100_000, description="Test sets that are drawn with replacement for the 95 % intervals.")
    num_threads: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        "auto", description="Threads that decode and score images; auto: the cores that the run was given."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Decides which test sets are drawn for the intervals.")

    def threads(self) -> int:
        """Number of threads; `auto` is resolved on the machine that asks."""
        return num_cores() if self.num_threads == "auto" else self.num_threads
