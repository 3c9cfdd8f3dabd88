"""The settings of `prune`."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.system.config import StepConfig

Importance = Literal["fisher", "l1", "l2", "lamp"]


Ranking = Literal["local", "global"]


Auto = Literal["auto"]


class PruneConfig(StepConfig):
    """Makes a smaller, faster model."""

    enabled: bool = Field(True, description="Whether anything is pruned; if not, the pruned model is the full one.")
    target_macs_ratio: Annotated[float, Field(gt=0, lt=1)] | Auto = Field(
        "auto", description="Share of the multiply-adds that is to remain; auto: 0.5, for given weights auto_pretrained_macs_ratio."
    )
    importance: Importance | Auto = Field(
        "auto",
        description="What makes a channel weak: fisher (loss without it), l1, l2 (norms), lamp; auto: fisher for given weights, else l2.",
    )
    importance_images: int = Field(256, ge=1, le=100_000, description="Training images that fisher measures the change of the loss on.")
    ranking: Ranking | Auto = Field(
        "auto", description="Channels compete within their layer (local) or over all (global); auto: global for fisher, else local."
    )
    round_to: Annotated[int, Field(ge=1, le=256)] | Auto = Field(
        "auto", description="Remaining channels are a multiple of this; auto: 8, less for narrow networks."
    )
    distillation: Annotated[float, Field(ge=0, le=1)] | Auto = Field(
        "auto",
        description="Share of the full model's answers in the loss, the labels have the rest; auto: 0.9 for given weights, else 0.",
    )
    temperature: float = Field(
        2.0, gt=0, le=100, description="By which these answers are softened: higher, and unlikely classes count more."
    )
    epochs: Annotated[int, Field(ge=1, le=100_000)] | Auto = Field(
        "auto",
        description="Epochs of fine-tuning; auto: a share of the training's, see auto_epochs_share and auto_pretrained_epochs_share.",
    )
    learning_rate: Annotated[float, Field(gt=0, le=10)] | Auto = Field(
        "auto",
        description="Its peak learning rate; auto: a share of the training's, see auto_rate_share and auto_pretrained_rate_share.",
    )
    auto_pretrained_macs_ratio: float = Field(
        0.7,
        gt=0,
        lt=1,
        description="Multiply-adds that auto leaves to given weights: their layers are all in use, and fine-tuning is short.",
    )
    auto_epochs_share: float = Field(
        0.3, gt=0, le=10, description="Epochs of auto, as a share of the training's: the network has only to recover."
    )
    auto_min_epochs: int = Field(2, ge=1, le=100_000, description="Fewest epochs that auto takes, unless training had even fewer.")
    auto_pretrained_epochs_share: float = Field(
        0.1, gt=0, le=10, description="The same for given weights, without a fewest: part of an epoch sees part of the images."
    )
    auto_rate_share: float = Field(
        0.5, gt=0, le=10, description="Learning rate of auto, as a share of the training's: the remaining weights are nearly right."
    )
    auto_pretrained_rate_share: float = Field(
        0.2, gt=0, le=10, description="The same for given weights: in few steps a higher rate undoes more than it repairs."
    )
    early_drop_per_epoch: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto",
        description="Fine-tuning is hopeless if before it train.monitor fell by max_drop and this an epoch; auto: 0.2 for given weights.",
    )
    max_drop: float = Field(0.02, ge=0, le=1, description="Largest loss of train.monitor on the validation images that is accepted.")
    max_latency_ratio: float = Field(0.9, gt=0, description="Largest share of the full model's latency that is accepted.")
    latency_rounds: int = Field(25, ge=1, le=10_000, description="Turns that each model is timed for, 20 ms each.")
    latency_threads: int = Field(1, ge=1, le=256, description="Threads of a timed prediction.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides the images, their order and their augmentation in fine-tuning.")
