"""Settings that the chosen model does not read: told, so that nobody believes that they have changed it."""

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


def unread(family: str) -> set[str]:
    """Settings that a model does not read: one of `ON_VECTORS`, or a network."""
    if family not in ON_VECTORS:
        return {_TREES, _NEIGHBOURS}
    return set(TrainConfig.model_fields) - {*_OF_ALL, OF_ONE.get(family, "")}


def told_unused(family: str, config: TrainConfig) -> tuple[Note, ...]:
    """A warning about settings that were changed and that the model does not read, if there are any.

    Args:
        family: What is trained: one of `ON_VECTORS`, or a network.
        config: Settings; where `auto` has taken a probe for want of time, the other ones have had their part in that.
    """
    fields, names, why = TrainConfig.model_fields, unread(family), f"{family} is a network"
    if family in ON_VECTORS:
        names = names if config.model in ON_VECTORS else set(PreprocessingSettings.model_fields)
        why = f"{family} is learnt from embeddings, which are made as embed.backbone and embed.weights say"
    given = [f"train.{name}={getattr(config, name)}" for name in fields if name in names and getattr(config, name) != fields[name].default]
    return tell("train", (), [f"{', '.join(given)} is not used: {why}"] if given else [])
