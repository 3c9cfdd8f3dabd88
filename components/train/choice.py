"""What `auto` stands for: network, side, epochs and recipe, from the number and the size of the training images alone."""

import dataclasses

from components.train.config import TrainConfig
from darkroom.manifest import Manifest
from darkroom.networks import weights
from darkroom.networks.architectures import AUTO, canonical
from darkroom.networks.cost import facts_of
from darkroom.system.errors import InputError
from darkroom.training import defaults
from darkroom.training.hyperparameters import Settings


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is trained, and how.

    Attributes:
        architecture: As the model's card has it.
        side_px: Side of the square images.
        settings: Of the training loop.
        reason: Why, for a person.
    """

    architecture: str
    side_px: int
    settings: Settings
    reason: str


_SAME = (
    "optimizer", "schedule", "weight_decay", "momentum", "label_smoothing", "mixing", "class_balance", "ema_decay", "layer_decay", "loss",
    "clip_norm", "accumulate", "cutmix",
    "freeze_epochs", "unfreeze_epochs", "monitor", "mixed_precision", "device", "threshold_prior_images", "seed",
)  # fmt: skip


def choose(training: Manifest, config: TrainConfig) -> Choice:
    """Replaces each `auto` by its value.

    Args:
        training: The rows of the training split.
        config: Settings, some of them `auto`.

    Raises:
        InputError: There are fewer than two training images, or no such network.
    """
    if len(training) < 2:
        raise InputError(f"the training split has {len(training)} images: at least 2 are needed; give more data")
    reason: list[str] = []
    architecture = _architecture(training, config, reason)
    pretrained = weights.is_pretrained(architecture, config.weights)
    budget = _budget(config)
    is_large = pretrained and architecture != "small_cnn"
    side = config.side_px
    if side == "auto":
        side = _pretrained_side(training, architecture, budget) if is_large else defaults.side_px(training, budget)
    epochs = config.epochs
    if epochs == "auto":
        macs = facts_of(architecture, side).macs if is_large else 0
        epochs = defaults.pretrained_epochs(len(training), macs, budget) if macs else defaults.epochs(len(training), side, budget)
        reason.append(f"{epochs} epochs of {len(training):,} images at {side} px for train.effort={config.effort}; {_others(config)}")
    else:
        reason.append(f"train.epochs={epochs} is set by hand, so train.effort does not count")
    return Choice(architecture, side, _settings(len(training), architecture, side, epochs, pretrained, config), "; ".join(reason))


def _architecture(training: Manifest, config: TrainConfig, reason: list[str]) -> str:
    if config.model != AUTO:
        return canonical(config.model)
    side = defaults.median_side_px(training)
    if side >= config.auto_photo_side_px:
        reason.append(f"lite0 with ImageNet weights, as half of the images have a shorter side of {side:.0f} px or more")
        return canonical("lite0")
    reason.append(f"small_cnn from random weights, as half of the images have a shorter side of {side:.0f} px or less")
    return "small_cnn"


def _pretrained_side(training: Manifest, architecture: str, budget: defaults.Budget) -> int:
    reference = 224  # a side that every network can be made for
    macs = facts_of(architecture, reference).macs
    return defaults.pretrained_side_px(training, lambda side: macs * (side / reference) ** 2, budget)


def _others(config: TrainConfig) -> str:
    now = defaults.EFFORTS[config.effort]
    return ", ".join(f"{name} takes {share / now:g} times that" for name, share in defaults.EFFORTS.items() if name != config.effort)


def _settings(number: int, architecture: str, side: int, epochs: int, pretrained: bool, config: TrainConfig) -> Settings:
    batch = defaults.batch_size(number) if config.batch_size == "auto" else config.batch_size
    rate = config.learning_rate
    if isinstance(rate, str):  # find looks about the usual one
        share = config.auto_pretrained_share if pretrained else 1.0
        if pretrained and not facts_of(architecture, side).has_batch_norm:
            share *= defaults.WITHOUT_BATCH_NORM
        rate = defaults.learning_rate(config.optimizer, batch, share)
    head, frozen = config.head_rate_factor, config.freeze_batch_norm
    return Settings(
        epochs=epochs,
        batch_size=batch,
        learning_rate=rate,
        loss_gamma=defaults.loss_gamma(config.loss) if config.loss_gamma == "auto" else config.loss_gamma,
        warmup_epochs=defaults.warmup_epochs(epochs) if config.warmup_epochs == "auto" else config.warmup_epochs,
        patience=defaults.patience(epochs) if config.patience == "auto" else config.patience,
        head_rate_factor=(defaults.HEAD_RATE_FACTOR if pretrained else 1.0) if head == "auto" else head,
        freeze_batch_norm=pretrained and batch < defaults.MIN_BATCH_NORM_IMAGES if frozen == "auto" else frozen,
        **{name: getattr(config, name) for name in _SAME},
    )


def _budget(config: TrainConfig) -> defaults.Budget:
    given = {field.name: getattr(config, f"auto_{field.name}") for field in dataclasses.fields(defaults.Budget)}
    return defaults.scaled(defaults.Budget(**given), defaults.EFFORTS[config.effort])
