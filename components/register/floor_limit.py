"""What the floor asks for: a network that falls below a linear model on the embeddings is no champion."""

from components.register.config import RegisterConfig
from darkroom.comparison import Limit
from darkroom.model import ModelCard

FLOOR = "floor"  # the limit's name
REQUIRING = ("require", "register")  # values of `train.floor`


def floor_limits(card: ModelCard, config: RegisterConfig) -> tuple[Limit, ...]:
    """Compares a model with its floor on the validation images, as `train` measured both (of a pruned model, `prune`).

    The test images decide nothing here. Where `train.floor` is `register`, `train` has put the floor in the place of a network that falls
    below it by `register.measure`; a network that was pruned may still fall below it, and a classical model.

    Args:
        card: The model's; its provenance holds the measures of both, see `components.train.floor`.
        config: Names the measure.

    Returns:
        The limit; nothing where none is required (`train.floor`), the model is the floor itself, or the validation images don't define
        the measure.
    """
    floor = card.provenance.get("floor", {})
    values = floor.get("validation", {}).get(config.measure)
    if floor.get("required") not in REQUIRING or card.architecture == floor.get("architecture") or values is None:
        return ()
    asked = f"{config.measure} on the validation images at least the {values['floor']:.4f} of {floor['architecture']}"
    return (Limit(FLOOR, asked, f"{values['model']:.4f}", values["model"] >= values["floor"]),)
