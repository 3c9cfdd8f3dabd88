"""The settings of `prune`."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.system.config import StepConfig

Importance = Literal["l1", "l2", "lamp"]


Ranking = Literal["local", "global"]


Auto = Literal["auto"]


class PruneConfig(StepConfig):
    """Makes a smaller, faster model."""

    enabled: bool = Field(True, description="Whether anything is pruned; if not, the pruned model is the full one.")
    target_macs_ratio: float = Field(0.5, gt=0, lt=1, description="Share of the multiply-adds that is to remain.")
    importance: Importance = Field("l2", description="What makes a channel weak: l1 or l2 norm of its weights, or lamp.")
    ranking: Ranking = Field("local", description="Channels compete within their layer (local) or over all (global).")
    round_to: Annotated[int, Field(ge=1, le=256)] | Auto = Field(
        "auto", description="Remaining channels are a multiple of this; auto: 8, less for narrow networks."
    )
    epochs: Annotated[int, Field(ge=1, le=100_000)] | Auto = Field(
        "auto", description="Epochs of fine-tuning; auto: auto_epochs_share of the training's."
    )
    learning_rate: Annotated[float, Field(gt=0, le=10)] | Auto = Field(
        "auto", description="Peak learning rate of fine-tuning; auto: auto_rate_share of the training's."
    )
    auto_epochs_share: float = Field(
        0.3, gt=0, le=10, description="Epochs of auto, as a share of the training's: the network has only to recover."
    )
    auto_min_epochs: int = Field(2, ge=1, le=100_000, description="Fewest epochs that auto takes, unless training had even fewer.")
    auto_rate_share: float = Field(
        0.5, gt=0, le=10, description="Learning rate of auto, as a share of the training's: the remaining weights are nearly right."
    )
    max_drop: float = Field(0.02, ge=0, le=1, description="Largest loss of train.monitor on the validation images that is accepted.")
    max_latency_ratio: float = Field(0.9, gt=0, description="Largest share of the full model's latency that is accepted.")
    latency_rounds: int = Field(25, ge=1, le=10_000, description="Turns that each model is timed for, 20 ms each.")
    latency_threads: int = Field(1, ge=1, le=256, description="Threads of a timed prediction.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides the order of images and their augmentation in fine-tuning.")
