"""The card of a trained network: what an application needs to use it, and how it came about."""

import dataclasses

from components.train.config import TrainConfig
from components.train.mirrored_answers import Delivered
from darkroom.manifest import Manifest
from darkroom.model import ModelCard
from darkroom.notes import KEY as NOTES
from darkroom.notes import Note, plain
from darkroom.training import devices, micro_batches
from darkroom.training.hyperparameters import Settings
from darkroom.training.problem import Problem
from darkroom.training.trainer import Fitted


def network_card(
    architecture: str, problem: Problem, fitted: Fitted, ready: Delivered, config: TrainConfig, settings: Settings, table: Manifest
) -> ModelCard:
    """Describes a trained network.

    Args:
        architecture: What it is.
        problem: What it has learnt.
        fitted: How the training went.
        ready: What is delivered of it.
        config: Settings as given.
        settings: Those of the training, with `auto` replaced.
        table: The images, and the notes of all steps up to here.
    """
    settings, notes = dataclasses.replace(settings, accumulate=fitted.accumulate), list(table.notes)
    if fitted.accumulate > config.accumulate:
        notes.append(Note("train", micro_batches.told(settings.batch_size, fitted.accumulate), is_warning=True))
    if fitted.course and fitted.course.is_shortened:
        notes.append(Note("train", fitted.course.told(), is_warning=True))
    provenance = {
        "data_version": table.data_version,
        "hyperparameters": dataclasses.asdict(settings),
        "seed": config.seed,
        "num_train_images": len(problem.train),
        "num_validation_images": len(problem.validation),
        "epochs": settings.epochs,
        "best_epoch": fitted.best_epoch,
        "learning_rate": settings.learning_rate,
        "batch_size": settings.batch_size,
        "precision": devices.precision(settings.mixed_precision, settings.device, problem.train.side_px),
        NOTES: plain(notes),
    }
    return ModelCard(
        architecture=architecture,
        classes=problem.classes,
        task=problem.task,
        mean=problem.mean,
        std=problem.std,
        thresholds=ready.thresholds,
        provenance=provenance,
        mirrored=ready.is_mirrored,
        **vars(config.recipe(problem.train.side_px)),
    )
