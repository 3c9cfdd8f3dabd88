"""`train`: learns to classify images, and writes a model that an application can use."""

import csv
import dataclasses
import shutil
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from components.train import fold_answers
from components.train import learning_curves as pictures
from components.train.balance_notes import tell_balances
from components.train.choice import Choice
from components.train.config import TrainConfig
from components.train.correction_choice import settle_corrections
from components.train.correction_sheet import correction_sheet
from components.train.cross_validation import cross_validate, family_fold, folds_of
from components.train.family import train_family
from components.train.fitting import diagnosed
from components.train.floor import Floor, fit_floor, measures_of, noted
from components.train.fold_answers import FoldAnswers
from components.train.fold_plan import announce_folds, choice_for_folds, for_folds
from components.train.initial_network import from_pretrained
from components.train.mirrored_answers import delivered
from components.train.network_card import network_card
from components.train.network_training import prepare, train_network
from components.train.on_vectors import Source, read_source
from components.train.suitability import local_skill, suited
from components.train.time_limit import Timed, choose_in_time
from components.train.unused_settings import told_unused
from darkroom import manifest
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.networks import export
from darkroom.networks.architectures import AUTO
from darkroom.networks.families import ON_VECTORS, PROBE
from darkroom.notes import Note, tell, with_notes_behind
from darkroom.system.config import dump, parse
from darkroom.system.files import whole
from darkroom.training import devices, sample_weights
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.range_test import RangeTest
from darkroom.tuned import Tuned, read_tuned

SETTLED_EPOCHS = "settled_epochs"  # a measure that only a run with a time limit has
COMPILED = "compiled"  # a measure, 0 or 1, that only a run has in which steps were timed both ways


class Outputs(NamedTuple):
    """Where a training writes its model's folder, its history, and the pictures of it."""

    model: Path
    history: Path
    learning_curves: Path


def train(
    images: Path,
    augmented_images: Path,
    examples: Path,
    policy: Path,
    embeddings: Path,
    model: Path,
    history: Path,
    learning_curves: Path,
    *,
    config: TrainConfig,
    pretrained: Path | None = None,
    tuned: Path | None = None,
    floor_model: Path | None = None,
    floor_measure: str = "",
    checkpoints: Path | None = None,
    store: Path | None = None,
    started: float | None = None,
    on_epoch: OnEpoch = nothing,
    on_fold: OnEpoch = nothing,
) -> dict[str, float]:
    """Trains a classifier on the training split and keeps the last epoch within one standard error of the best on the validation split.

    Args:
        images: Packed images.
        augmented_images: Packed copies, for training only.
        examples: Table of images with their `split`, and the copies.
        policy: What is done to training images on the fly.
        embeddings: Vectors of the images, see `darkroom.embeddings`.
        model: Where the model's folder is written.
        history: Where a CSV file with a row an epoch is written.
        learning_curves: Where a folder with pictures of the history, and of what corrections do to images, is written, PNG.
        config: Network, optimizer and all else.
        pretrained: The weights that the network starts from; or none, see `darkroom.pretrained_weights`.
        tuned: The result of a search, whose best settings replace those of `config`; or none, see `darkroom.tuned`.
        floor_model: Where the floor's folder is written, see `components.train.floor`; without it, no floor is fitted.
        floor_measure: By which a network is compared with the floor on the validation images, see `floor.decisive`; empty: `train.monitor`.
        checkpoints: A folder for unfinished work, from which training resumes after a kill; the caller removes it.
        store: Where decoded images are kept from run to run if they are too many for memory, see `darkroom.pixel_store`; or none.
        started: When the step began, by the clock of `time.monotonic`; now, where it is not given.
        on_epoch: Called after each epoch with its number, from 1, and its row of the history.
        on_fold: Called after each fold of cross-validation with its number, from 1, and its row of measures.

    Returns:
        The kept epoch's number and measures, the sizes (`num_train` to `side_px`), and measures of floor (`floor_`) and folds (`folds_`).

    Raises:
        InputError: Settings that don't fit each other or the data, or an image that can't be decoded.
    """
    started = time.monotonic() if started is None else started
    config, searched = _searched(config, tuned)
    table = _read(examples, config)
    source = read_source(embeddings, table, config)
    floor = fit_floor(source, floor_model, table, config, floor_measure) if floor_model else None
    given, outputs, answers = dump(config), Outputs(model, history, learning_curves), FoldAnswers(checkpoints)
    packed = Images(images, augmented_images, store=store)
    config, corrected = settle_corrections(packed, table, source, config, checkpoints)
    config, learnt = from_pretrained(config, pretrained)
    table = dataclasses.replace(table, notes=(*with_notes_behind(table.notes, "ingest", source.notes), *learnt, *searched.notes))
    config, unlike = suited(config, floor, source, table, partial(local_skill, packed, table, policy, checkpoints, started))
    family, timed, told = _choose(packed, table, policy, config, started, checkpoints, is_named=given["model"] != AUTO)
    told += announce_folds(packed, table, policy, timed.choice, config, checkpoints) if timed else ()
    by_network = partial(_network_fold, packed, policy, timed.choice, config, checkpoints, answers) if timed else None
    folds = cross_validate(table, by_network or partial(family_fold, embeddings, family, config), config, checkpoints, on_fold)
    table = dataclasses.replace(table, notes=(*table.notes, *told, *corrected, *unlike, *tell("train", [*searched.told(), *folds.told()])))
    beside = {"settings": given, **({"tuned": searched.best} if searched.best else {}), **folds.provenance}
    measures = {**folds.measures, **measures_of(floor, config)}
    if timed:
        return _train_network(packed, table, policy, outputs, floor, beside, timed, config, checkpoints, answers, on_epoch) | measures
    return _train_on_vectors(family, source, floor, table, outputs, beside, config, on_epoch) | measures


def _searched(config: TrainConfig, tuned: Path | None) -> tuple[TrainConfig, Tuned]:
    """The settings with the best ones of a search in their places, and the search."""
    found = read_tuned(tuned) if tuned else Tuned()
    return parse(TrainConfig, "train", {**dump(config), **found.settings_of("train")}), found


def _read(examples: Path, config: TrainConfig) -> Manifest:
    """The rows, of which training images of weight 0 are left out, with a note on the weights (`train.weight_column`) behind the others."""
    table = manifest.read(examples)
    config.check_folds(len(folds_of(table)))
    told = sample_weights.told(table.where("train"), config.weight_column)
    return dataclasses.replace(sample_weights.counted(table, config.weight_column), notes=(*table.notes, *tell("train", told)))


def _choose(
    packed: Images, table: Manifest, policy: Path, config: TrainConfig, started: float, checkpoints: Path | None, *, is_named: bool
) -> tuple[str, Timed | None, tuple[Note, ...]]:
    """The family or network, how long the latter is trained, and what is told: a probe where there is not the time for a network.

    A network that a person named (`is_named`) is refused there.
    """
    if config.model in ON_VECTORS:
        return config.model, None, told_unused(config.model, config)
    timed = choose_in_time(packed, table, policy, config, started, checkpoints, is_named=is_named)
    if not timed.is_affordable:
        return PROBE, None, (*tell("train", (), [timed.told_too_short(config)]), *told_unused(PROBE, config))
    choice = timed.choice
    return config.model, timed, (*tell_balances(table, config), *told_unused(choice.architecture, config, choice.settings.epochs))


def _train_on_vectors(
    family: str,
    source: Source,
    floor: Floor | None,
    table: Manifest,
    outputs: Outputs,
    beside: Mapping[str, Any],
    config: TrainConfig,
    on_epoch: OnEpoch,
) -> dict[str, float]:
    """Trains a model on embeddings, and returns what `train` does but for the measures of floor and folds."""
    row, measured = train_family(family, source, floor, table, outputs.model, beside, config)
    on_epoch(1, row)
    _keep_history(outputs, [row], 1, config)
    return {**row, **measured, **({SETTLED_EPOCHS: 0.0} if family != config.model else {})}


def _train_network(
    packed: Images,
    table: Manifest,
    policy: Path,
    outputs: Outputs,
    floor: Floor | None,
    beside: Mapping[str, Any],
    timed: Timed,
    config: TrainConfig,
    checkpoints: Path | None,
    answers: FoldAnswers,
    on_epoch: OnEpoch,
) -> dict[str, float]:
    """Trains a network, and returns what `train` does but for the measures of floor and folds; its card says what stands `beside` it."""
    choice = timed.choice
    architecture, side = choice.architecture, choice.side_px
    with devices.threads(config.num_threads):
        prepared = prepare(packed, table, policy, choice, config)
        classifier, problem, epochs = prepared.network, prepared.problem, prepared.settings.epochs
        taught = answers.for_training(table, problem, config)
        num_parameters = sum(value.numel() for value in classifier.parameters())
        told = f"{len(problem.train):,} images for training, {len(problem.validation):,} for validation, {side} px, {epochs} epochs"
        named = f"{told}, {architecture} with {num_parameters:,} parameters"
        named += f", computed in {devices.precision(config.mixed_precision, config.device, side)}"
        told_now = tell("train", [named, choice.reason, *fold_answers.told(taught)])
        trained = train_network(prepared, config, checkpoints, on_epoch, timed.deadline, taught)
        fitted, settings = trained.delivered, trained.settings
        kept = {name: value for name, value in fitted.history[fitted.best_epoch - 1].items() if name != "epoch"}
        ready = delivered(classifier, problem, fitted.thresholds, kept, config, settings)
        kept, table = dict(ready.row), dataclasses.replace(table, notes=(*table.notes, *told_now, *trained.notes, *ready.notes))
        card = noted(floor, network_card(architecture, problem, fitted, ready, config, settings, table), kept, config)
        card = dataclasses.replace(card, provenance={**card.provenance, "compilation": vars(trained.compilation), **beside})
        card = diagnosed(card, classifier, problem, fitted, table, floor, config, settings)
        if floor and config.floor == "register" and floor.is_above(kept):
            kept |= floor.place(outputs.model, card.provenance, config)
        else:
            export.save_model(outputs.model, classifier, card)
    sheet = correction_sheet(packed, table.where("train"), config.recipe(side))
    _keep_history(outputs, trained.fitted.history, fitted.best_epoch, config, trained.tested, sheet)
    sizes = {"num_train": len(problem.train), "num_validation": len(problem.validation), "num_epochs": len(fitted.history)}
    sizes |= {"num_parameters": num_parameters, "side_px": side, **({SETTLED_EPOCHS: settings.epochs} if timed.deadline else {})}
    sizes |= {COMPILED: int(trained.compilation.is_on)} if trained.compilation.was_measured else {}
    return {"best_epoch": fitted.best_epoch, **kept, **sizes}


def _network_fold(
    packed: Images,
    policy: Path,
    choice: Choice,
    config: TrainConfig,
    checkpoints: Path | None,
    answers: FoldAnswers,
    table: Manifest,
    fold: int,
) -> Mapping[str, float]:
    """Trains a network on the other folds, and returns its measures on the images of this one."""
    choice = choice_for_folds(table.where("train"), choice, config)
    place, config = checkpoints and checkpoints / f"fold_{fold}", for_folds(config)
    with devices.threads(config.num_threads):
        prepared = prepare(packed, table, policy, choice, config)
        fitted = train_network(prepared, config, place).delivered
        if config.distill_folds:
            answers.keep(fold, table.where("validation"), prepared.network, prepared.problem, prepared.settings)
    if place:
        shutil.rmtree(place, ignore_errors=True)
    return fitted.history[fitted.best_epoch - 1]


def _keep_history(
    outputs: Outputs,
    rows: list[dict[str, float]],
    kept_epoch: int,
    config: TrainConfig,
    tested: Sequence[RangeTest] = (),
    sheet: Image.Image | None = None,
) -> None:
    write_history(outputs.history, rows)
    pictures.draw(outputs.learning_curves, rows, kept_epoch, config.monitor, tested, sheet)


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Writes a CSV file with a row an epoch; a measure that an epoch lacks is left empty."""
    names = list(dict.fromkeys(name for row in history for name in row))
    with whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"epoch": int(row["epoch"])} for row in history)
