"""What `auto` stands for: network, side, epochs and recipe, from the number and the size of the training images alone.

With `train.time_limit_min`, side and epochs are what there is the time for, see `components.train.time_limit`.
"""

import dataclasses
from typing import NamedTuple

from components.train.config import TrainConfig
from components.train.sharing import is_alone
from darkroom.manifest import Manifest
from darkroom.networks import weights
from darkroom.networks.cost import facts_of, fits, takes_side
from darkroom.system.errors import InputError
from darkroom.training import defaults
from darkroom.training.frozen_trunk import TrunkFacts, trunk_facts
from darkroom.training.hyperparameters import Settings
from darkroom.training.kept_views import megabytes
from darkroom.training.progressive import share_of_pixels, side_at

REFERENCE_PX = 224  # a side that every network can be made for


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


class Length(NamedTuple):
    """A side and epochs that were settled otherwise, and why."""

    side_px: int
    epochs: int
    reason: str


_SAME = (
    "optimizer", "schedule", "weight_decay", "momentum", "label_smoothing", "mixing", "class_balance", "ema_decay", "layer_decay", "loss",
    "clip_norm", "accumulate", "cutmix", "first_side_share", "weight_column",
    "freeze_epochs", "unfreeze_epochs", "monitor", "mixed_precision", "compile", "device", "threshold_prior_images", "seed",
)  # fmt: skip


def choose(training: Manifest, config: TrainConfig, length: Length | None = None) -> Choice:
    """Replaces each `auto` by its value.

    Args:
        training: The rows of the training split.
        config: Settings, some of them `auto`.
        length: Side and epochs where `train.effort` does not settle them.

    Raises:
        InputError: There are fewer than two training images, no such network, or one that does not take what is asked of it.
    """
    if len(training) < 2:
        raise InputError(f"the training split has {len(training)} images: at least 2 are needed; give more data")
    architecture, reason = architecture_of(training, config)
    pretrained = weights.is_pretrained(architecture, config.weights)
    side, epochs, why = length or _by_effort(training, architecture, config)
    _require_side(architecture, side)
    if config.first_side_share < 1 and not takes_side(architecture, side, side_at(0, epochs, side, config.first_side_share)):
        problem = f"train.first_side_share is {config.first_side_share:g}, but {architecture} takes images of one side only"
        raise InputError(problem, "set it to 1")
    settings = _settings(len(training), architecture, side, epochs, pretrained, config)
    plain = "every epoch shows the images as they are, not augmented on the fly (train.kept_views is 1)" if settings.kept_views == 1 else ""
    return Choice(architecture, side, settings, "; ".join(part for part in (reason, why, plain) if part))


def _require_side(architecture: str, side: int) -> None:
    if not fits(architecture, side):
        larger = next((other for other in defaults.SIDES_PX if other > side and fits(architecture, other)), None)
        remedy = f"set it to {larger}, for example" if larger else "name another network in train.model"
        raise InputError(f"train.side_px is {side} (set, or as auto settled it), and {architecture} takes no images of that side: {remedy}")


def candidates(training: Manifest, architecture: str, config: TrainConfig) -> tuple[dict[int, float], int]:
    """The sides among which a time limit chooses, ascending, with the epochs that each is worth; and the most epochs.

    Args:
        training: The rows of the training split.
        architecture: What is trained.
        config: The limits of `auto`, which are those of `train.effort`, but for its multiply-adds.
    """
    budget, median = _budget(config), defaults.median_side_px(training)
    if is_fine_tuned(architecture, config):
        sides = defaults.pretrained_sides(median, budget)
        wanted, most = dict.fromkeys(sides, defaults.enough_epochs(len(training), budget)), budget.pretrained_max_epochs
    else:
        sides, most = defaults.sides_up_to(median, defaults.SIDES_PX[0], budget.max_side_px), budget.max_epochs
        wanted = {side: budget.min_epochs if side <= budget.base_side_px else budget.min_presentations for side in sides}
    if not isinstance(config.side_px, str):
        return {config.side_px: 1.0}, most
    fitting = {side: epochs for side, epochs in wanted.items() if fits(architecture, side)}
    if not fitting:  # the smallest that does, of more pixels than the images have
        fitting = dict.fromkeys([side for side in defaults.SIDES_PX if side > max(wanted) and fits(architecture, side)][:1], 1.0)
    return fitting or wanted, most


def is_fine_tuned(architecture: str, config: TrainConfig) -> bool:
    """Whether `train` does so with a network; see `weights.is_fine_tuned`."""
    return weights.is_fine_tuned(architecture, config.weights)


def _by_effort(training: Manifest, architecture: str, config: TrainConfig) -> Length:
    budget, is_large = _budget(config), is_fine_tuned(architecture, config)
    if isinstance(config.side_px, str):
        wanted = _pretrained_side(training, architecture, config) if is_large else defaults.side_px(training, budget)
        side = next((larger for larger in defaults.SIDES_PX if larger >= wanted and fits(architecture, larger)), wanted)
    else:
        side = config.side_px
    if not isinstance(config.epochs, str):
        limit = f", nor train.time_limit_min={config.time_limit_min:g}" if config.time_limit_min else ""
        return Length(side, config.epochs, f"train.epochs={config.epochs} is set by hand, so train.effort does not count{limit}")
    epochs = (
        defaults.pretrained_epochs(len(training), _cost(architecture, side, len(training), config), budget)
        if is_large
        else defaults.epochs(len(training), side, budget)
    )
    return Length(
        side, epochs, f"{epochs} epochs of {len(training):,} images at {side} px for train.effort={config.effort}; {_others(config)}"
    )


def architecture_of(training: Manifest, config: TrainConfig) -> tuple[str, str]:
    """What is trained, as a model's card has it, and why, if `auto` chose it.

    Args:
        training: The rows of the training split.
        config: Settings.

    Raises:
        InputError: There is no such network.
    """
    return defaults.architecture(training, config.model, config.auto_photo_side_px, config.auto_grey_photo_side_px)


def _pretrained_side(training: Manifest, architecture: str, config: TrainConfig) -> int:
    return defaults.pretrained_side_px(training, lambda side: _cost(architecture, side, len(training), config), _budget(config))


def _cost(architecture: str, side: int, number: int, config: TrainConfig) -> defaults.Cost:
    """What fine-tuning takes an image."""
    macs, frozen = _macs(architecture, side, config), _trunk(architecture, number, config).macs_share
    return defaults.Cost(frozen * macs, (1 - frozen) * macs, kept_views_of(architecture, side, number, config))


def _macs(architecture: str, side: int, config: TrainConfig) -> float:
    """Multiply-adds of an image's way through the network, on average over the sides that it grows to."""
    return facts_of(architecture, REFERENCE_PX).macs * (side / REFERENCE_PX) ** 2 * share_of_pixels(config.first_side_share)


def kept_views_of(architecture: str, side: int, number: int, config: TrainConfig) -> int:
    """How many views of each image are kept if there are as many epochs; 0: what the frozen layers make is computed each time anew.

    `auto` keeps fewer where there is not the memory, down to two, and where `train.effort` settles the epochs and computing more views
    would take most of its multiply-adds, down to the image as it is.

    Args:
        architecture: As a model's card has it.
        side: Of the images.
        number: Training images.
        config: Settings.

    Raises:
        InputError: Views are asked for of a network that can't take them, or by several processes.
    """
    wanted, trunk, alone = config.kept_views, _trunk(architecture, number, config), is_alone(config)
    if wanted not in ("auto", 0) and not (trunk.macs_share and alone):
        why = f"{architecture} has no frozen layers that come before all others" if alone else "several processes train together"
        raise InputError(f"train.kept_views is {wanted}, and {why}: set it to auto")
    if wanted != "auto":
        return wanted
    size = megabytes(number, 1, round(trunk.num_features * side**2))
    if not (size and trunk.macs_share) or not _may_keep(config):
        return 0
    fitting = min(config.auto_kept_views, int(config.auto_kept_views_mb / size))
    if fitting < min(config.auto_kept_views, 2):
        return 0
    if config.epochs != "auto" or config.time_limit_min:
        return fitting
    cost = number * trunk.macs_share * _macs(architecture, side, config)
    return min(fitting, max(1, int(defaults.KEPT_SHARE * _budget(config).macs / cost)))


def _may_keep(config: TrainConfig) -> bool:
    """Whether what frozen layers make of images can be kept: by one process, of images that do not change from epoch to epoch."""
    return is_alone(config) and not config.changes_images


def starts_linearly(config: TrainConfig, settings: Settings) -> bool:
    """Whether a last layer of random weights is fitted as a linear model before all else.

    Args:
        config: The settings as given.
        settings: Those of the training loop.
    """
    return config.head_start == "linear" or (config.head_start == "auto" and settings.frozen_share > 0)


def _trunk(architecture: str, number: int, config: TrainConfig) -> TrunkFacts:
    return _trunk_of(architecture, _frozen_share(architecture, number, config))


def _trunk_of(architecture: str, share: float) -> TrunkFacts:
    return trunk_facts(architecture, share) if share else TrunkFacts(0.0, 0.0)


def _frozen_share(architecture: str, number: int, config: TrainConfig) -> float:
    """Share of the layers that never learn: fewer where the budget shows so few images as often as it ever does at the largest side."""
    if config.frozen_share != "auto":
        return config.frozen_share
    if not is_fine_tuned(architecture, config):
        return 0.0
    usual, less, budget = config.auto_frozen_share, min(config.auto_frozen_share, config.auto_min_frozen_share), _budget(config)
    if usual == less or config.time_limit_min:
        return usual
    macs, frozen = _macs(architecture, budget.pretrained_max_side_px, config), _trunk_of(architecture, less).macs_share
    views = config.auto_kept_views if _may_keep(config) and config.kept_views != 0 else 0
    shown = defaults.Cost(frozen * macs, (1 - frozen) * macs, views).epochs(budget.macs / number)
    return less if shown >= budget.pretrained_max_epochs else usual


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
    is_large, head, frozen = is_fine_tuned(architecture, config), config.head_rate_factor, config.freeze_batch_norm
    views = min(epochs, kept_views_of(architecture, side, number, config))
    return Settings(
        epochs=epochs,
        batch_size=batch,
        learning_rate=rate,
        loss_gamma=defaults.loss_gamma(config.loss) if config.loss_gamma == "auto" else config.loss_gamma,
        warmup_epochs=defaults.warmup_epochs(epochs) if config.warmup_epochs == "auto" else config.warmup_epochs,
        patience=defaults.patience(epochs) if config.patience == "auto" else config.patience,
        head_rate_factor=(defaults.HEAD_RATE_FACTOR if pretrained else 1.0) if head == "auto" else head,
        frozen_share=_frozen_share(architecture, number, config),
        kept_views=views if epochs > 1 or config.kept_views == 1 else 0,
        freeze_batch_norm=is_large if frozen == "auto" else frozen,
        **{name: getattr(config, name) for name in _SAME},
    )


def _budget(config: TrainConfig) -> defaults.Budget:
    given = {field.name: getattr(config, f"auto_{field.name}") for field in dataclasses.fields(defaults.Budget)}
    return defaults.scaled(defaults.Budget(**given), defaults.EFFORTS[config.effort])
