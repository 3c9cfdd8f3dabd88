"""What is known of the trainings of cross-validation before they begin: how long they take, and where each starts."""

from pathlib import Path

from components.train.choice import Choice, Length, choose
from components.train.config import TrainConfig
from components.train.costs import Bench
from components.train.cross_validation import folds_of, held_out, kept_row
from darkroom import pretrained_weights
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.model import CARD
from darkroom.named_weights import path_of
from darkroom.networks import weights
from darkroom.notes import Note, tell
from darkroom.training import devices


def announce_folds(
    packed: Images, table: Manifest, policy: Path, choice: Choice, config: TrainConfig, checkpoints: Path | None
) -> tuple[Note, ...]:
    """Says how long the folds of a network that are left take, from a few steps that are measured, and where they start.

    Args:
        packed: Images, copies included.
        table: All rows.
        policy: The file of what is done to training images on the fly.
        choice: What is trained, and how.
        config: Settings.
        checkpoints: A folder where finished folds are kept, or none.
    """
    left = [fold for fold in folds_of(table) if kept_row(checkpoints, fold, config) is None]
    if left:
        with devices.threads(config.num_threads):
            costs = Bench(packed, table, policy, choice.architecture, choice.settings, config).costs(choice.side_px)
        parts = [held_out(table, fold) for fold in left]
        num_train, num_held_out = (sum(len(rows.where(split)) for rows in parts) for split in ("train", "validation"))
        epoch_s = num_train * costs.step_s + num_held_out * costs.validate_s
        once_s = (num_train + num_held_out) * costs.decode_s + (choice.settings.kept_views * num_train + num_held_out) * costs.keep_s
        minutes = (once_s + choice.settings.epochs * epoch_s) / 60
        print(f"cross-validation: {len(left)} trainings come first, which take up to about {minutes:.2g} minutes", flush=True)
    if not folds_of(table) or config.weights in (weights.AUTO, weights.DEFAULT, weights.RANDOM) or _is_pretrained(config):
        return ()
    if for_folds(config) == config:
        told = f"the folds start from {config.weights}, too: if that has learnt from any of these images, their measures are too good"
    else:
        told = f"the folds start from {weights.AUTO} weights, as the model {config.weights} may have learnt from images that they leave out"
    return tell("train", [told])


def choice_for_folds(training: Manifest, choice: Choice, config: TrainConfig) -> Choice:
    """What a fold trains, and how: of other weights (see `for_folds`) as suits these, for as many epochs at the same side.

    Args:
        training: The rows that it learns from.
        choice: What is trained on all.
        config: Settings as given.
    """
    own = for_folds(config)
    if own == config:
        return choice
    same: dict[str, object] = {"model": choice.architecture}
    if weights.is_fine_tuned(choice.architecture, own.weights) and weights.is_fine_tuned(choice.architecture, config.weights):
        same |= {"frozen_share": choice.settings.frozen_share}
    return choose(training, own.model_copy(update=same), Length(choice.side_px, choice.settings.epochs, ""))


def for_folds(config: TrainConfig) -> TrainConfig:
    """The settings of a fold's training: it does not start from a model of ours, which may have learnt from the images it leaves out."""
    is_ours = (path_of(config.weights).parent / CARD).is_file() if config.weights not in (weights.RANDOM, weights.AUTO) else False
    return config.model_copy(update={"weights": weights.AUTO}) if is_ours else config


def _is_pretrained(config: TrainConfig) -> bool:
    """Whether the weights are of `pretrain`, which has seen no label."""
    return (path_of(config.weights).parent / pretrained_weights.CARD).is_file()
