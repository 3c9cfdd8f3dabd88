"""Hyperparameters: how a training learns."""

import dataclasses
from typing import Literal

Balance = Literal["auto", "weights", "sampling", "none"]
LossName = Literal["auto", "cross_entropy", "focal", "asymmetric"]
OptimizerName = Literal["adam", "adamw", "sgd", "muon"]
Schedule = Literal["cosine", "one_cycle", "step", "constant"]
Auto = Literal["auto"]
Switch = Literal["auto", "on", "off"]
Precision = Literal["auto", "bf16", "tf32", "off"]
Effort = Literal["quick", "standard", "thorough"]
Monitor = Literal[
    "f1_macro", "f1_micro", "f1_weighted", "f1", "accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "precision", "recall",
    "roc_auc", "average_precision", "subset_accuracy", "hamming_loss", "log_loss", "loss",
]  # fmt: skip
LOWER_IS_BETTER = ("loss", "log_loss", "hamming_loss")  # of the monitors


@dataclasses.dataclass(frozen=True)
class Settings:
    """How it is learnt; see `TrainConfig` for what each means."""

    epochs: int
    batch_size: int = 32
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 2e-3
    schedule: Schedule = "cosine"
    warmup_epochs: float = 1.0
    weight_decay: float = 0.05
    momentum: float = 0.9
    label_smoothing: float = 0.1
    class_balance: Balance = "auto"
    weight_column: str = ""
    loss: LossName = "auto"
    loss_gamma: float = 2.0
    clip_norm: float = 0.0
    accumulate: int = 1
    mixing: float = 0.0
    cutmix: float = 0.0
    ema_decay: float = 0.99
    head_rate_factor: float = 1.0
    layer_decay: float = 1.0
    freeze_epochs: int = 0
    unfreeze_epochs: int = 0
    frozen_share: float = 0.0
    kept_views: int = 0
    first_side_share: float = 1.0
    freeze_batch_norm: bool = False
    monitor: str = "f1_macro"
    patience: int = 10**6
    mixed_precision: Precision = "auto"
    compile: Switch = "off"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threshold_prior_images: float = 30.0
    seed: int = 0
