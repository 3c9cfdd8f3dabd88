"""Trains what `train.model` names where that is learnt from embeddings: a probe, or a classical model."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.train.config import TrainConfig
from components.train.floor import Floor
from components.train.on_vectors import FLOOR, Source, check_size, fit_family, save_family
from darkroom.manifest import Manifest
from darkroom.networks.families import PROBE
from darkroom.notes import KEY as NOTES
from darkroom.notes import plain, tell
from darkroom.system.config import dump
from darkroom.training.classical import HeadSettings


def train_family(
    family: str, source: Source, floor: Floor | None, table: Manifest, model: Path, beside: Mapping[str, Any], config: TrainConfig
) -> tuple[dict[str, float], dict[str, float]]:
    """Fits a model on the embeddings of the training images, and writes it.

    Args:
        family: See `darkroom.networks.families.ON_VECTORS`.
        source: Vectors and labels.
        floor: Of this run, or nothing where none was fitted.
        table: All rows, with the notes of the steps before.
        model: Where the model's folder is written.
        beside: What else its card says.
        config: Settings.

    Returns:
        The one row of its history, since it has no epochs; and its sizes, as `train` returns them.

    Raises:
        InputError: The model is larger than `train.max_bundle_mb`.
    """
    same = floor and family in (PROBE, FLOOR)
    fitted = floor.fitted if floor and same else fit_family(family, source.problem, config)
    check_size(fitted, source.backbone, config.max_bundle_mb)
    row, sizes = fitted.validated.row, {"num_train": len(source.problem.train), "num_validation": len(source.problem.validation)}
    told = tell("train", [_sentence(family, source, fitted.head.settings), *fitted.head.notes])
    provenance = {
        "data_version": table.data_version,
        "settings": dump(config),
        "hyperparameters": dataclasses.asdict(fitted.head.settings),
        "seed": config.seed,
        "num_train_images": sizes["num_train"],
        "num_validation_images": sizes["num_validation"],
        **({"floor": floor.beside(row, config)} if floor else {}),
        **beside,
        NOTES: plain((*table.notes, *told)),
    }
    card = save_family(model, family, fitted, source, provenance)
    return {"epoch": 1.0, **row}, {name: float(value) for name, value in {**sizes, "side_px": card.side_px}.items()}


def _sentence(family: str, source: Source, settings: HeadSettings) -> str:
    chosen = {name: value for name, value in dataclasses.asdict(settings).items() if value != getattr(HeadSettings(), name)}
    told = ", ".join(f"{name} {value:g}" for name, value in chosen.items() if name != "seed")
    trained = f"{family} on {source.backbone.name} vectors of {len(source.problem.train):,} images"
    return f"{trained}, {len(source.problem.validation):,} for validation" + (f", with {told}" if told else "")
