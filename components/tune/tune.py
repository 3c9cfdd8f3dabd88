"""`tune`: searches settings of `train`, and of what it does to images on the fly, on the validation images."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.train.config import TrainConfig
from components.tune.config import TuneConfig
from darkroom import manifest
from darkroom.augmentation import policy as policies
from darkroom.manifest import FOLD
from darkroom.system.config import dump, parse
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.tuned import OnTrial, Tuned, ignore_trial


def tune(
    images: Path,
    augmented_images: Path,
    examples: Path,
    policy: Path,
    embeddings: Path,
    tuned: Path,
    tuned_policy: Path,
    *,
    config: TuneConfig,
    train_settings: dict[str, Any],
    augment_settings: dict[str, Any],
    pretrained: Path | None = None,
    checkpoints: Path | None = None,
    store: Path | None = None,
    on_epoch: OnEpoch = nothing,
    on_trial: OnTrial = ignore_trial,
) -> dict[str, float]:
    """Searches settings of `train` and `augment`: trains with those as they are, then with others, and says which are the best.

    Only the training and the validation split are read. Where `config.enabled` is false nothing is searched.

    Args:
        images: Packed images.
        augmented_images: Packed copies, for training only.
        examples: Table of images with their `split`, and the copies.
        policy: What is done to training images on the fly.
        embeddings: Vectors of the images, see `darkroom.embeddings`.
        tuned: Where the result is written, see `darkroom.tuned`.
        tuned_policy: Where the policy of the best settings is written: the given one, unless they change it.
        config: What is searched, and for how long.
        train_settings: The section `train`: the settings as they are.
        augment_settings: The section `augment`; copies, and whether mirroring keeps labels, stay as they are.
        pretrained: The weights that each training starts from; or none, see `darkroom.pretrained_weights`.
        checkpoints: A folder for unfinished work, from which the search resumes after a kill; the caller removes it.
        store: Where decoded images are kept from run to run if they are too many for memory, see `darkroom.pixel_store`; or none.
        on_epoch: Called after each trial with its number, from 1, and its `score`.
        on_trial: Called after each trial with the trial and a row an epoch.

    Returns:
        The number of trials, how many of them were pruned and failed, and what the best one gains; zeros where nothing was searched.

    Raises:
        InputError: The settings as they are can't be trained with, no image is in the validation split, or the storage can't be used.
    """
    found, chosen_policy = Tuned(), policies.read(policy)
    if config.enabled:
        from components.tune.trial_loop import Search  # torch and Optuna take seconds, which a step that is off should not

        inputs = {"images": images, "augmented_images": augmented_images, "policy": policy, "embeddings": embeddings}
        inputs |= {name: path for name, path in (("pretrained", pretrained), ("store", store)) if path}
        settings = {**dump(parse(TrainConfig, "train", train_settings)), "distill_folds": 0.0}  # no trial has folds to learn from
        with tempfile.TemporaryDirectory() as scratch:
            inputs["examples"] = _without_folds(examples, Path(scratch))
            search = Search(inputs, config, settings, augment_settings, checkpoints or Path(scratch), on_trial, on_epoch)
            found = search.run()
            chosen_policy = search.policy_with(found.best)
    found.write(tuned)
    chosen_policy.write(tuned_policy)
    number = {state: float(sum(trial.state == state for trial in found.trials)) for state in ("pruned", "failed")}
    gain = found.gain.gain if found.gain else 0.0
    return {"num_trials": float(len(found.trials)), "num_pruned": number["pruned"], "num_failed": number["failed"], "gain": gain}


def _without_folds(examples: Path, folder: Path) -> Path:
    """The examples as a trial gets them: what it is compared by is the validation split, so no fold is trained."""
    table = manifest.read(examples)
    if FOLD not in table.table.column_names:
        return examples
    replace(table, table=table.table.drop_columns([FOLD])).write(folder / examples.name)
    return folder / examples.name
