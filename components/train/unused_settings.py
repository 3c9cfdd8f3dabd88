"""Settings that the chosen model does not read: told, so that nobody believes that they have changed it."""

from collections.abc import Collection, Mapping
from typing import Any

from components.train.config import TrainConfig
from darkroom.networks.families import ON_VECTORS, PROBE
from darkroom.notes import Note, tell
from darkroom.preprocessing.settings import PreprocessingSettings

_TREES, _NEIGHBOURS = "num_trees", "num_neighbours"
_OF_ALL = {  # that a model on embeddings reads
    "model", "class_balance", "weight_column", "monitor", "num_threads", "threshold_prior_images", "floor", "max_bundle_mb", "seed",
    "weights_version", "processor", "num_processes",  # which a run sets itself
}  # fmt: skip
OF_ONE = {
    **dict.fromkeys((PROBE, "logistic_regression", "linear_svm", "rbf_svm"), "regularization"),
    **dict.fromkeys(("random_forest", "gradient_boosting"), _TREES),
    "k_nearest": _NEIGHBOURS,
}
_IDLE: dict[str, dict[str, tuple[Any, ...]]] = {  # not read where each of these has one of these values
    "loss_gamma": {"loss": ("auto", "cross_entropy")},
    "momentum": {"optimizer": ("adam", "adamw")},
    "distill_temperature": {"distill_folds": (0,)},
    "noise_level": {"denoise": ("none", "median")},
    "clahe_limit": {"contrast": ("none", "equalise")},
    "clahe_tiles": {"contrast": ("none", "equalise")},
    "background_margin": {"background": ("none",)},
    "fill": {"resize": ("stretch", "crop"), "background": ("none",)},
}


def unread(family: str) -> set[str]:
    """Settings that a model does not read: one of `ON_VECTORS`, or a network."""
    if family not in ON_VECTORS:
        return {_TREES, _NEIGHBOURS}
    return set(TrainConfig.model_fields) - {*_OF_ALL, OF_ONE.get(family, "")}


def idle(name: str, values: Mapping[str, Any], changing: Collection[str] = ()) -> str:
    """Why a network does not read a setting: by the values of others, such as `train.optimizer is adamw`; empty where it does.

    Args:
        name: The setting, without its section.
        values: All settings of the section.
        changing: Those whose values are not settled.
    """
    owners = _IDLE.get(name, {})
    if not owners or any(owner in changing or values[owner] not in off for owner, off in owners.items()):
        return ""
    return " and ".join(f"train.{owner} is {values[owner]}" for owner in owners)


def told_unused(family: str, config: TrainConfig, epochs: int = 0) -> tuple[Note, ...]:
    """Warnings about settings that were changed and that change nothing, if there are any.

    Args:
        family: What is trained: one of `ON_VECTORS`, or a network.
        config: Settings; where `auto` has taken a probe for want of time, the other ones have had their part in that.
        epochs: How long a network is trained.
    """
    fields, names, why = TrainConfig.model_fields, unread(family), f"{family} is a network"
    if family in ON_VECTORS:
        names = names if config.model in ON_VECTORS else set(PreprocessingSettings.model_fields)
        why = f"{family} is learnt from embeddings, which are made as embed.backbone and embed.weights say"
    changed = {name: f"train.{name}={getattr(config, name)}" for name in fields if getattr(config, name) != fields[name].default}
    given = [text for name, text in changed.items() if name in names]
    said = [f"{', '.join(given)} is not used: {why}"] if given else []
    if family not in ON_VECTORS:
        values = config.model_dump()
        said += [f"{text} is not used: {reason}" for name, text in changed.items() if (reason := idle(name, values))]
        if 0 < epochs <= config.freeze_epochs:
            said.append(f"train.freeze_epochs={config.freeze_epochs} lets the last layer alone learn: set it below train.epochs={epochs}")
    return tell("train", (), said)
