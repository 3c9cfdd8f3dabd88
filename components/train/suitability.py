"""Whether what given weights know suits the images: what a linear model on their features tells apart says so.

Where it tells hardly more apart than chance, as on microscope pictures, few images are learnt by a small network, if it tells more apart
than that model; else few layers are frozen, batch statistics are learnt as well, and training is longer.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.train.choice import architecture_of, choose, is_fine_tuned
from components.train.config import TrainConfig
from components.train.floor import PREFIX, Floor
from components.train.network_training import prepare, train_network
from components.train.on_vectors import Source, fit_family
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.networks.architectures import AUTO, HANDCRAFTED, LOCAL
from darkroom.networks.families import ON_VECTORS, PROBE
from darkroom.networks.local_network import FROZEN_SHARE
from darkroom.notes import Note, tell
from darkroom.system.config import dump
from darkroom.training import devices
from darkroom.training.deadline import Deadline
from darkroom.training.kept_result import kept_result

TRIED = "local_network.json"  # beside the checkpoints
TRIAL_SHARE = 0.5  # of `train.time_limit_min`: by then a network that is tried has ended, so that there is time to train one


def suited(
    config: TrainConfig, floor: Floor | None, source: Source, table: Manifest, local_skill: Callable[[TrainConfig], float]
) -> tuple[TrainConfig, tuple[Note, ...]]:
    """The settings with which `auto` trains on these images, and what is told where they are not the usual ones.

    Args:
        config: The settings as given; of those that are set by hand only the limits of `auto` change.
        floor: A linear model on the features that the backbone of `embed` finds in the images; fitted here, where there is none.
        source: These features; hand-made ones say nothing of given weights.
        table: All rows.
        local_skill: Trains a network with the settings that it is given, and says how much that tells apart, see `skill`.
    """
    if config.model == LOCAL:
        return for_local_network(config), ()
    if config.model in ON_VECTORS or source.backbone.name == HANDCRAFTED:
        return config, ()
    training = table.where("train")
    if not is_fine_tuned(architecture_of(training, config)[0], config):
        return config, ()
    if floor is None and len(source.problem.train) < 2:
        return config, ()
    known = skill((floor.fitted if floor else fit_family(PROBE, source.problem, config)).validated.row, table)
    if not known < config.auto_min_skill:  # nor where it is not defined
        return config, ()
    why = (
        f"images are unlike those that given weights know: a linear model on the features of {source.backbone.name} has a skill of "
        f"{max(known, 0.0):.2f} on the validation images, below train.auto_min_skill={config.auto_min_skill:g} (0 is chance, 1 perfect)"
    )
    if config.model == AUTO and config.weights == AUTO and len(training) <= config.auto_local_max_images:
        local = for_local_network(config.model_copy(update={"model": LOCAL}))
        found = local_skill(local)
        tried = f"{LOCAL}, which was tried as there are few images, has {max(found, 0.0):.2f}"
        why += f"; {tried if not math.isnan(found) else f'there is no time to try {LOCAL}'}"
        if found > known:
            return local, tell("train", [f"{why}, so it is taken"])
    chosen = {
        "frozen_share": config.auto_unlike_frozen_share,
        "freeze_batch_norm": False,
        "head_start": "random",
        "kept_views": 0,
    }
    update = {name: value for name, value in chosen.items() if getattr(config, name) == "auto"}
    update["auto_pretrained_max_epochs"] = config.auto_unlike_max_epochs
    return config.model_copy(update=update), tell("train", [f"{why}; so {_said(update)}"])


def for_local_network(config: TrainConfig) -> TrainConfig:
    """The settings with `lite0_local`'s own in place of each `auto`: its layers but the last two are frozen, and these start random."""
    chosen = {"frozen_share": FROZEN_SHARE, "freeze_batch_norm": False, "head_start": "random", "head_rate_factor": 1.0}
    update = {name: value for name, value in chosen.items() if getattr(config, name) == "auto"}
    update["auto_pretrained_max_epochs"] = config.auto_local_epochs
    update["auto_pretrained_share"] = config.auto_local_rate_share
    update["auto_kept_views"] = config.auto_local_kept_views
    return config.model_copy(update=update)


def local_skill(packed: Images, table: Manifest, policy: Path, checkpoints: Path | None, started: float, config: TrainConfig) -> float:
    """Trains a network, and says how much it tells apart, see `skill`; what goes on with that network trains it no second time.

    Where the time is limited, its schedule is shortened so that it ends when half of the time has passed; NaN where that much has already.

    Args:
        packed: Images, copies included.
        table: All rows.
        policy: The file of what is done to training images on the fly.
        checkpoints: A folder for unfinished work, or none.
        started: When the step began, by the clock of `time.monotonic`.
        config: Its settings.
    """

    limit_s = TRIAL_SHARE * 60 * config.time_limit_min
    deadline = Deadline(limit_s, started=started) if config.is_time_limited else None
    if deadline and deadline.used_s > limit_s:
        return math.nan

    def find() -> Mapping[str, Any]:
        print(f"{config.model} is tried first", flush=True)
        with devices.threads(config.num_threads):
            prepared = prepare(packed, table, policy, choose(table.where("train"), config), config)
            fitted = train_network(prepared, config, checkpoints, deadline=deadline).fitted
        found = skill(fitted.history[fitted.best_epoch - 1], table)
        return {} if math.isnan(found) else {"skill": found}

    return float(kept_result(checkpoints and checkpoints / TRIED, dump(config), find).get("skill", math.nan))


def skill(row: Mapping[str, float], table: Manifest) -> float:
    """Balanced accuracy on the validation images, from 0 (chance) to 1; NaN where these don't define it.

    Args:
        row: Measures, each under a name that begins with `validation_`.
        table: All rows.
    """
    chance = 1 / len(table.classes) if table.task == "multiclass" else 0.5
    return float((row.get(f"{PREFIX}balanced_accuracy", math.nan) - chance) / (1 - chance))


def _said(update: Mapping[str, Any]) -> str:
    return ", ".join(f"train.{name}={value}" for name, value in update.items())
