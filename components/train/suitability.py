"""Whether what given weights know suits the images: what a linear model on their features tells apart says so.

Where it tells hardly more apart than chance, as on microscope pictures, few layers are frozen, batch statistics are learnt as well, and
training is longer.
"""

import math

from components.train.choice import architecture_of, is_fine_tuned
from components.train.config import TrainConfig
from components.train.floor import PREFIX, Floor
from components.train.on_vectors import Source, fit_family
from darkroom.manifest import Manifest
from darkroom.networks.architectures import HANDCRAFTED
from darkroom.networks.families import ON_VECTORS, PROBE
from darkroom.notes import Note, tell
from darkroom.training.heads import FittedHead


def suited(config: TrainConfig, floor: Floor | None, source: Source, table: Manifest) -> tuple[TrainConfig, tuple[Note, ...]]:
    """The settings with which `auto` fine-tunes on these images, and what is told where they are not the usual ones.

    Args:
        config: The settings as given; of those that are set by hand only the most epochs of `auto` change.
        floor: A linear model on the features that the backbone of `embed` finds in the images; fitted here, where there is none.
        source: These features; hand-made ones say nothing of given weights.
        table: All rows.
    """
    if config.model in ON_VECTORS or source.backbone.name == HANDCRAFTED:
        return config, ()
    if not is_fine_tuned(architecture_of(table.where("train"), config)[0], config):
        return config, ()
    if floor is None and len(source.problem.train) < 2:
        return config, ()
    known = skill(floor.fitted if floor else fit_family(PROBE, source.problem, config), table)
    if not known < config.auto_min_skill:  # nor where it is not defined
        return config, ()
    chosen = {
        "frozen_share": config.auto_unlike_frozen_share,
        "freeze_batch_norm": False,
        "head_start": "random",
        "kept_views": 0,
    }
    update = {name: value for name, value in chosen.items() if getattr(config, name) == "auto"}
    update["auto_pretrained_max_epochs"] = config.auto_unlike_max_epochs
    why = (
        f"images are unlike those that given weights know: a linear model on the features of {source.backbone.name} has a skill of "
        f"{max(known, 0.0):.2f} on the validation images, below train.auto_min_skill={config.auto_min_skill:g} (0 is chance, 1 perfect); "
        f"so {', '.join(f'train.{name}={value}' for name, value in update.items())}"
    )
    return config.model_copy(update=update), tell("train", [why])


def skill(fitted: FittedHead, table: Manifest) -> float:
    """Balanced accuracy of a linear model on the validation images, from 0 (chance) to 1; NaN where these don't define it."""
    chance = 1 / len(table.classes) if table.task == "multiclass" else 0.5
    return float((fitted.validated.row.get(f"{PREFIX}balanced_accuracy", math.nan) - chance) / (1 - chance))
