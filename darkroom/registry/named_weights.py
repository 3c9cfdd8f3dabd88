"""Weights of registered models, from which `embed` and `train` may start: settled when a run is planned, fetched when a step needs them."""

from pathlib import Path

from darkroom.model import WEIGHTS
from darkroom.registry.fetch import fetch_version, find_model
from darkroom.tracking.tags import SHA256

REGISTERED = "models:/"  # what MLflow's own addresses of models begin with


def is_registered(weights: str) -> bool:
    """Whether `train.weights` or `embed.weights` names a registered model."""
    return weights.startswith(REGISTERED)


def settled(weights: str) -> tuple[str, str]:
    """The version that `models:/NAME@ALIAS`, `models:/NAME/NUMBER` or `models:/NAME` means now, by its number; and its content's version.

    Raises:
        InputError: There is no such model.
    """
    version = find_model(weights)
    return f"{REGISTERED}{version.name}/{version.number}", version.tags.get(SHA256, "")[:20]


def fetched(step: str, weights: str, cache: Path) -> str:
    """The path of a registered model's weights as a step takes them: `embed` the model's folder, `train` the file in it.

    Args:
        step: `embed`, or whose settings are those of `train`.
        weights: See `settled`.
        cache: Folder in which models are kept, named by their content.

    Raises:
        InputError: There is no such model, or its files can't be fetched.
    """
    bundle = fetch_version(find_model(weights), cache)
    return str(bundle if step == "embed" else bundle / WEIGHTS)
