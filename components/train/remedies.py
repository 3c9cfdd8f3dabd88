"""What to try against over- and underfitting: settings that are not in force yet, the most promising first."""

from collections.abc import Collection, Iterator

from components.train.config import TrainConfig
from darkroom.augmentation.policy import Policy
from darkroom.networks import weights
from darkroom.training.diagnosis import Verdict
from darkroom.training.hyperparameters import Effort, Settings

Remedy = tuple[str, str]  # a setting with its value, and what that does
MAX_REMEDIES = 5
FEW_FROZEN = 0.2  # of the layers: those that find edges
_MORE: dict[Effort, Effort] = {"quick": "standard", "standard": "thorough"}
_OPERATIONS = {  # with strengths that suit photographs
    "crop": "augment.crop=0.15",
    "rotation": "augment.rotation_degrees=10",
    "brightness": "augment.brightness=0.2",
    "erasing": "augment.erasing=0.15",
}


def remedies(
    verdict: Verdict, config: TrainConfig, settings: Settings, architecture: str, policy: Policy, searched: Collection[str] = ()
) -> list[Remedy]:
    """Settings to try, a handful.

    Args:
        verdict: See `darkroom.training.diagnosis`; nothing is proposed for `fine` and `unknown`.
        config: Settings as given, and as a search decided.
        settings: Those of the training, with what `auto` stood for.
        architecture: What was trained.
        policy: How training images were augmented.
        searched: Settings that a search decides, such as `train.dropout`: others would count for nothing.
    """
    if verdict == "unfinished":
        return [_longer(config, settings)]
    against = {"overfits": _against_overfitting, "underfits": _against_underfitting}.get(verdict)
    found = against(config, settings, architecture, policy) if against else ()
    return [one for one in found if not _changes(one) & {*searched}][:MAX_REMEDIES]


def _changes(remedy: Remedy) -> set[str]:
    """The settings that a remedy changes."""
    return {text.partition("=")[0].strip() for text in remedy[0].split(",")}


def _against_overfitting(config: TrainConfig, settings: Settings, architecture: str, policy: Policy) -> Iterator[Remedy]:
    there = {operation.name for operation in policy.all_operations if operation.probability > 0}
    missing = [text for name, text in _OPERATIONS.items() if name not in there]
    if settings.kept_views == 1:
        yield "train.kept_views=0", "training images are augmented, each time anew; it takes longer"
    elif missing:
        yield ", ".join(missing), "training images are varied in more ways"
    elif all(operation.probability < 0.8 for operation in policy.operations):
        yield "augment.probability=0.8", "more of the training images are varied"
    if not settings.mixing and not settings.cutmix:
        yield "train.mixing=0.2, train.cutmix=0.3", "half of the batches show blends of two images, which can't be learnt by heart"
    if config.dropout < 0.2:
        yield "train.dropout=0.2", "the last layer can't rely on single features"
    if not settings.label_smoothing:
        yield "train.label_smoothing=0.1", "no answer is rewarded for being certain"
    if weights.is_pretrained(architecture, config.weights) and settings.layer_decay == 1:
        yield "train.layer_decay=0.8", "the first layers stay closer to what they were pretrained to"
    if settings.weight_decay < 0.5:
        yield f"train.weight_decay={max(0.05, 3 * settings.weight_decay):.2g}", "weights stay smaller"


def _against_underfitting(config: TrainConfig, settings: Settings, architecture: str, policy: Policy) -> Iterator[Remedy]:
    if not isinstance(config.learning_rate, str):
        yield "train.learning_rate=auto", f"the optimizer's usual rate in place of {config.learning_rate:g}"
    yield _longer(config, settings)
    if config.learning_rate != "find":
        yield "train.learning_rate=find", "a range test looks for the rate at which this network learns"
    if settings.mixing or settings.cutmix:
        yield "train.mixing=0, train.cutmix=0", "images are shown unmixed"
    if config.dropout:
        yield "train.dropout=0", "no feature is dropped"
    if settings.frozen_share > FEW_FROZEN:
        yield f"train.frozen_share={FEW_FROZEN}", "earlier layers learn, too, which images unlike photographs need; it takes twice as long"
    if settings.freeze_epochs >= settings.epochs / 2:
        yield "train.freeze_epochs=0", "all layers learn from the beginning"
    if architecture == "small_cnn":
        yield "train.model=lite0", "a larger network that has seen a million photographs"
    elif config.weights == "":
        yield "train.weights=auto", "training starts from packaged weights, where the network has them"
    if policy.num_choices:
        yield "augment.policy=own", "training images are varied less"
    elif policy.operations:
        yield "augment.probability=0.25", "fewer of the training images are varied"


def _longer(config: TrainConfig, settings: Settings) -> Remedy:
    if config.epochs == "auto" and config.time_limit_min:
        return f"train.time_limit_min={2 * config.time_limit_min:g}", "more epochs, or larger images"
    if config.epochs == "auto" and config.effort in _MORE:
        return f"train.effort={_MORE[config.effort]}", "more epochs, or larger images"
    return f"train.epochs={2 * settings.epochs}", "twice as many epochs"
