"""Cross-validation: a training with the whole recipe for each fold that `split` made, before the one that is kept."""

import dataclasses
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from components.train.config import TrainConfig
from components.train.on_vectors import fit_family
from darkroom.embeddings import Embeddings
from darkroom.manifest import FOLD, Manifest, put_column
from darkroom.metrics.intervals import CONFIDENCE
from darkroom.system.config import dump
from darkroom.system.files import whole
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.heads import read_vector_problem
from darkroom.training.sample_weights import counted

PREFIX = "validation_"
_ROW = "fold_{}.json"
UNBOUNDED = ("loss", "log_loss")  # the others are at most 1
MEASURES = ("accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "roc_auc", "average_precision", "hamming_loss", *UNBOUNDED)
FitFold = Callable[[Manifest, int], Mapping[str, float]]  # rows whose validation split is the fold, and its number, to its measures


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a recipe reaches on images whose labels chose no more than the epoch and the thresholds.

    Attributes:
        mean: Over the folds.
        low: Lower limit of an approximate 95 % interval.
        high: Upper limit.
    """

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class CrossValidation:
    """The result of all folds.

    Attributes:
        rows: A row a fold: measures of the kept epoch on the images that were held out, each under a name that begins with `validation_`.
        monitor: The measure that chooses the epoch.
    """

    rows: tuple[Mapping[str, float], ...] = ()
    monitor: str = "f1_macro"

    @property
    def estimates(self) -> dict[str, Estimate]:
        """For each of some measures that all folds define."""
        names = [name for name in dict.fromkeys((*MEASURES, self.monitor)) if self.rows and all(PREFIX + name in row for row in self.rows)]
        values = {name: [row[PREFIX + name] for row in self.rows] for name in names}
        return {name: estimate(some, math.inf if name in UNBOUNDED else 1.0) for name, some in values.items()}

    @property
    def measures(self) -> dict[str, float]:
        """The estimates as plain numbers: `folds_<measure>`, with `_low` and `_high`."""
        found: dict[str, float] = {}
        for name, one in self.estimates.items():
            found |= {f"folds_{name}": one.mean, f"folds_{name}_low": one.low, f"folds_{name}_high": one.high}
        return found

    @property
    def provenance(self) -> dict[str, Any]:
        """What a model's card says of it; nothing without folds."""
        estimates = {name: dataclasses.asdict(one) for name, one in self.estimates.items()}
        return {"cross_validation": {"folds": [dict(row) for row in self.rows], "estimates": estimates}} if self.rows else {}

    def told(self) -> list[str]:
        """A sentence on the monitored measure; none without folds, or where they don't define it."""
        found = self.estimates.get(self.monitor)
        if found is None:
            return []
        limits = f"{found.mean:.4f} ({found.low:.4f} to {found.high:.4f})"
        what = "the epoch" if "epoch" in self.rows[0] else "what is auto"
        chosen = f"which chose {what}, as the validation images do for the model that is kept"
        return [f"{len(self.rows)} folds: {self.monitor} {limits} on the images that each left out, {chosen}"]


def cross_validate(
    table: Manifest, fit_fold: FitFold, config: TrainConfig, checkpoints: Path | None = None, on_fold: OnEpoch = nothing
) -> CrossValidation:
    """Trains a model a fold; the measures of a finished fold are kept beside the checkpoints.

    Args:
        table: All rows, with their `split`, and their fold where there are any.
        fit_fold: Trains on a table's training split, and measures on its validation split.
        config: Settings.
        checkpoints: A folder for unfinished work, or none.
        on_fold: Called after each fold with its number, from 1, and its row of measures.
    """
    folds, rows = folds_of(table), list[Mapping[str, float]]()
    for fold in folds:
        row = kept_row(checkpoints, fold, config)
        if row is None:
            row = dict(fit_fold(counted(held_out(table, fold), config.weight_column), fold))
            _keep_row(checkpoints, fold, config, row)
            print(f"fold {len(rows) + 1}/{len(folds)} is done", flush=True)
        on_fold(fold + 1, row)
        rows.append(row)
    return CrossValidation(tuple(rows), config.monitor)


def folds_of(table: Manifest) -> list[int]:
    """Numbers of the folds that `split` made."""
    return sorted(set(table.column(FOLD)) - {None}) if FOLD in table.table.column_names else []


def kept_row(checkpoints: Path | None, fold: int, config: TrainConfig) -> dict[str, float] | None:
    """The measures of a fold that an earlier attempt with these settings has finished, or nothing.

    Args:
        checkpoints: The folder where they are kept, or none.
        fold: The fold's number.
        config: Settings.
    """
    path = checkpoints and checkpoints / _ROW.format(fold)
    known = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    return known["row"] if known.get("settings") == dump(config) else None


def _keep_row(checkpoints: Path | None, fold: int, config: TrainConfig, row: Mapping[str, float]) -> None:
    if checkpoints:
        with whole(checkpoints / _ROW.format(fold)) as draft:
            draft.write_text(json.dumps({"settings": dump(config), "row": row}), encoding="utf-8")


def family_fold(embeddings: Path, family: str, config: TrainConfig, table: Manifest, fold: int) -> Mapping[str, float]:
    """Fits a model on the embeddings of the other folds, and returns its measures on the images of this one.

    Args:
        embeddings: Of all images.
        family: See `darkroom.networks.families.ON_VECTORS`.
        config: Settings.
        table: All rows, of which the fold is the validation split.
        fold: Its number.
    """
    problem = read_vector_problem(Embeddings(embeddings), table, config.class_balance, config.weight_column)
    return fit_family(family, problem, config).validated.row


def held_out(table: Manifest, fold: int) -> Manifest:
    """The same rows with a fold as the validation split, and the others, copies of their images included, as the training split."""
    own = np.array([-1 if value is None else value for value in table.column(FOLD)])
    splits = np.array(table.column("split"), dtype=object)
    splits[own >= 0] = "train"
    splits[own == fold] = "validation"
    splits[(own == fold) & table.is_copy] = "excluded"
    return dataclasses.replace(table, table=put_column(table.table, "split", splits.tolist()))


def estimate(values: Sequence[float], largest: float) -> Estimate:
    """Mean and interval over folds; the trainings share most of their images, for which the variance is corrected.

    Args:
        values: A measure of each fold, two or more; not below 0.
        largest: What the measure can't exceed.

    Source:
        Nadeau and Bengio 2003, Inference for the generalization error: the variance of the folds times 1/k + n_test/n_train.
    """
    number, mean = len(values), statistics.fmean(values)
    error = statistics.stdev(values) * (1 / number + 1 / (number - 1)) ** 0.5
    half = float(student.ppf((1 + CONFIDENCE) / 2, number - 1)) * error
    return Estimate(mean, max(mean - half, 0.0), min(mean + half, largest))
