"""Whether what given weights know suits the images: what a linear model on their features tells apart says so.

Where it tells hardly more apart than chance, as on microscope pictures, few layers are frozen, batch statistics are learnt as well, and
training is longer.
"""

import math

from components.train.choice import architecture_of, is_fine_tuned
from components.train.config import TrainConfig
from components.train.floor import PREFIX, Floor
from darkroom.manifest import Manifest
from darkroom.notes import Note, tell


def suited(config: TrainConfig, floor: Floor | None, table: Manifest) -> tuple[TrainConfig, tuple[Note, ...]]:
    """The settings with which `auto` fine-tunes on these images, and what is told where they are not the usual ones.

    Args:
        config: The settings as given; what is set by hand stays.
        floor: A linear model on the features that the backbone of `embed` finds in the images, or none.
        table: All rows.
    """
    known = skill(floor, table) if floor and is_fine_tuned(architecture_of(table.where("train"), config)[0], config) else math.nan
    if not known < config.auto_min_skill:  # nor where it is not defined
        return config, ()
    chosen = {
        "frozen_share": config.auto_unlike_frozen_share,
        "freeze_batch_norm": False,
        "head_start": "random",
        "kept_views": 0,
    }
    update = {name: value for name, value in chosen.items() if getattr(config, name) == "auto"}
    update["auto_pretrained_max_epochs"] = max(config.auto_pretrained_max_epochs, config.auto_unlike_max_epochs)
    why = (
        f"a linear model on the features of given weights tells {known:.0%} apart of what there is beyond chance (train.auto_min_skill "
        f"{config.auto_min_skill:g}): all but the first layers learn, and for longer"
    )
    return config.model_copy(update=update), tell("train", [why])


def skill(floor: Floor, table: Manifest) -> float:
    """Balanced accuracy of the floor on the validation images, from 0 (chance) to 1; NaN where these don't define it."""
    chance = 1 / len(table.classes) if table.task == "multiclass" else 0.5
    return float((floor.fitted.validated.row.get(f"{PREFIX}balanced_accuracy", math.nan) - chance) / (1 - chance))
