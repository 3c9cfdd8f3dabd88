"""The floor of every run: logistic regression on the embeddings, which a network has to reach on the validation images."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.train.config import TrainConfig
from components.train.on_vectors import Source, fit_family, save_family
from darkroom.manifest import Manifest
from darkroom.model import CARD, ModelCard
from darkroom.networks.families import PROBE
from darkroom.notes import KEY as NOTES
from darkroom.notes import plain, tell
from darkroom.system.files import whole
from darkroom.training.heads import FittedHead
from darkroom.training.validation import compared_by, falls_below

PREFIX = "validation_"
SHOWN = ("loss", "accuracy", "balanced_accuracy", "f1_macro")  # with the measure that decides
_OF_RUN = ("settings", "num_train_images", "num_validation_images", "tuned", "cross_validation", NOTES)
_CONSEQUENCES = {
    "report": "train.floor report lets it pass",
    "require": "with train.floor require no model below it becomes champion",
    "register": "train.floor register takes the linear model in its place",
}


@dataclasses.dataclass(frozen=True)
class Floor:
    """The floor of a run.

    Attributes:
        fitted: What was learnt.
        folder: The floor's model, a probe.
        card: Its card.
        measure: By which a network is compared with it, see `decisive`.
    """

    fitted: FittedHead
    folder: Path
    card: ModelCard
    measure: str

    def beside(self, row: Mapping[str, float], config: TrainConfig) -> dict[str, Any]:
        """What a card says of a model and its floor, which `components.register.floor_limit` reads.

        Args:
            row: The model's measures on the validation images, each under a name that begins with `validation_`.
            config: What the floor requires.
        """
        own = self.fitted.validated.row
        both = {name: {"model": row[name], "floor": own[name]} for name in row if name in own}
        measures = {name.removeprefix(PREFIX): values for name, values in both.items()}
        return {"required": config.floor, "architecture": self.card.architecture, "validation": measures}

    def is_above(self, row: Mapping[str, float]) -> bool:
        """Whether a network falls below the floor by the measure on the validation images; not where these don't define it."""
        return falls_below(row, self.fitted.validated.row, self.measure)

    def place(self, model: Path, network: Mapping[str, Any], config: TrainConfig) -> Mapping[str, float]:
        """Writes the floor as the run's model, with what is known of the run beside its own provenance.

        Args:
            model: The folder.
            network: The provenance of the network in whose place it comes.
            config: What the floor requires.

        Returns:
            Its measures on the validation images, each under a name that begins with `validation_`.
        """
        row = self.fitted.validated.row
        of_run = {name: network[name] for name in _OF_RUN if name in network}
        provenance = {**self.card.provenance, **of_run, "floor": self.beside(row, config)}
        with whole(model) as draft:
            shutil.copytree(self.folder, draft)
            dataclasses.replace(self.card, provenance=provenance).write(draft / CARD)
        return {name: value for name, value in row.items() if name.startswith(PREFIX)}


def decisive(config: TrainConfig, given: str) -> str:
    """The measure by which a network is compared with its floor: `train.monitor`, but `register.measure` if the floor may take its place.

    Args:
        config: Settings.
        given: `register.measure` where `train.floor` is `register`, or empty.
    """
    return given or compared_by(config.monitor)


def fit_floor(source: Source, floor_model: Path, table: Manifest, config: TrainConfig, measure: str = "") -> Floor:
    """Fits the floor and writes its model.

    Args:
        source: Vectors and labels.
        floor_model: Where its folder is written.
        table: All rows.
        config: Measure, and strength of the regularization.
        measure: See `decisive`.

    Raises:
        InputError: Fewer than two training images have a vector.
    """
    fitted = fit_family(PROBE, source.problem, config)
    provenance = {"data_version": table.data_version, "seed": config.seed, "hyperparameters": dataclasses.asdict(fitted.head.settings)}
    provenance |= {"weight_column": config.weight_column} if config.weight_column else {}
    return Floor(fitted, floor_model, save_family(floor_model, PROBE, fitted, source, provenance), decisive(config, measure))


def measures_of(floor: Floor | None, config: TrainConfig) -> dict[str, float]:
    """The floor's measures on the validation images, under names that begin with `floor_`."""
    row = floor.fitted.validated.row if floor else {}
    names = [f"{PREFIX}{name}" for name in dict.fromkeys((*SHOWN, config.monitor, *([floor.measure] if floor else [])))]
    return {f"floor_{name}": row[name] for name in names if name in row}


def noted(floor: Floor | None, card: ModelCard, row: Mapping[str, float], config: TrainConfig) -> ModelCard:
    """A network's card with what it reached beside its floor; where it falls below, that is told.

    Args:
        floor: The floor, or nothing where none was fitted.
        card: The network's.
        row: Its measures on the validation images, each under a name that begins with `validation_`.
        config: What the floor requires.
    """
    if floor is None:
        return card
    told = []
    if floor.is_above(row):
        own, other = (f"{one[f'{PREFIX}{floor.measure}']:.4f}" for one in (row, floor.fitted.validated.row))
        fell = f"{card.architecture} falls below its floor: {floor.measure} on the validation images is {own}"
        told = list(tell("train", (), [f"{fell}, of {floor.card.architecture} {other}; {_CONSEQUENCES[config.floor]}"]))
    notes = [*card.provenance.get(NOTES, []), *plain(told)]
    return dataclasses.replace(card, provenance={**card.provenance, "floor": floor.beside(row, config), NOTES: notes})
