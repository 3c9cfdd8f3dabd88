"""Over- and underfitting of a network, as its card tells it and a note where something is wrong."""

import dataclasses
from collections.abc import Mapping, Sequence

from torch import nn

from components.train.config import TrainConfig
from components.train.floor import PREFIX, Floor
from components.train.remedies import Remedy, remedies
from darkroom.manifest import Manifest
from darkroom.model import ModelCard
from darkroom.notes import KEY as NOTES
from darkroom.notes import plain, tell
from darkroom.training.diagnosis import Case, Diagnosis, Verdict, diagnose
from darkroom.training.hyperparameters import Settings
from darkroom.training.problem import Problem
from darkroom.training.trainer import Fitted
from darkroom.training.training_sample import measure_sample, sample_rows

KEY = "fitting"  # of the card's provenance
_SENTENCES: Mapping[Verdict, str] = {
    "overfits": "the network overfits",
    "underfits": "the network underfits",
    "unfinished": "the network was still improving when its training ended",
}


def diagnosed(
    card: ModelCard,
    network: nn.Module,
    problem: Problem,
    fitted: Fitted,
    table: Manifest,
    floor: Floor | None,
    config: TrainConfig,
    settings: Settings,
) -> ModelCard:
    """A network's card with what its training says of over- and underfitting; where something is wrong, that is told.

    Args:
        card: The network's.
        network: With the weights that were kept, on the CPU.
        problem: What was learnt.
        fitted: The training.
        table: All rows.
        floor: Of this run, or nothing where none was fitted.
        config: Settings as given.
        settings: Those of the training.
    """
    rows = sample_rows(table.where("train").is_copy, len(problem.validation))
    own = {name.removeprefix(PREFIX): value for name, value in floor.fitted.validated.row.items()} if floor else {}
    stopped = len(fitted.history) < settings.epochs and not (fitted.course and fitted.course.is_shortened)
    case = Case(settings.monitor, fitted.history, fitted.best_epoch, {}, 0.0, fitted.error, len(problem.validation), own, stopped)
    train, constant = measure_sample(network, problem, settings, rows, case.measure)
    found = diagnose(dataclasses.replace(case, train=train, constant=constant))
    tried = remedies(found.verdict, config, settings, card.architecture, problem.policy, card.provenance.get("tuned", {}))
    told = tell("train", [sentence] if (sentence := _sentence(found, tried)) else [])
    about = {"verdict": found.verdict, "evidence": list(found.evidence), "remedies": [list(one) for one in tried], "num_images": len(rows)}
    provenance = {**card.provenance, KEY: {**about, "train": train}, NOTES: [*card.provenance.get(NOTES, []), *plain(told)]}
    return dataclasses.replace(card, provenance=provenance)


def _sentence(found: Diagnosis, tried: Sequence[Remedy]) -> str:
    """What is wrong, why, and what to try first; empty where nothing is."""
    if found.verdict not in _SENTENCES:
        return ""
    return f"{_SENTENCES[found.verdict]}: {'; '.join(found.evidence)}" + (f"; try {tried[0][0]}" if tried else "")
