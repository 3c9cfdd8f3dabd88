"""Cross-validation: a training with the whole recipe for each fold that `split` made, before the one that is kept."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from components.train.config import TrainConfig
from components.train.on_vectors import fit_family, read_source
from darkroom.manifest import FOLD, Manifest, put_column
from darkroom.metrics.intervals import CONFIDENCE
from darkroom.system.errors import InputError

PREFIX = "validation_"
UNBOUNDED = ("loss", "log_loss")  # all others are at most 1
FitFold = Callable[
    [Manifest, int], Mapping[str, float]
]  # rows of which the fold is the validation split, and its number, to a row of measures


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a recipe reaches on images that it has not seen.

    Attributes:
        mean: Over the folds.
        low: Lower limit of the 95 % interval.
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
    """

    rows: tuple[Mapping[str, float], ...] = ()

    @property
    def estimates(self) -> dict[str, Estimate]:
        """For each measure that all folds define."""
        names = [name for name in (self.rows[0] if self.rows else ()) if name.startswith(PREFIX) and all(name in row for row in self.rows)]
        values = {name.removeprefix(PREFIX): [row[name] for row in self.rows] for name in names}
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

    def told(self, monitor: str) -> list[str]:
        """A sentence on the monitored measure; none without folds, or where they don't define it."""
        found = self.estimates.get(monitor)
        if found is None:
            return []
        limits = f"{found.mean:.4f} ({found.low:.4f} to {found.high:.4f})"
        return [f"{len(self.rows)} folds: {monitor} {limits} on images that were held out; the model that is kept is trained afterwards"]


def cross_validate(table: Manifest, fit_fold: FitFold, config: TrainConfig) -> CrossValidation:
    """Trains a model a fold.

    Args:
        table: All rows, with their `split`, and their fold where there are any.
        fit_fold: Trains on a table's training split, and measures on its validation split.
        config: May limit the time.

    Raises:
        InputError: The time is limited, which is meant for a single training.
    """
    folds = sorted(set(table.column(FOLD)) - {None}) if FOLD in table.table.column_names else []
    if folds and config.time_limit_min:
        limit = f"train.time_limit_min is {config.time_limit_min:g}, which limits a single training"
        raise InputError(f"split.num_folds is {len(folds)}, and {limit}: set one of them to 0")
    if folds:
        work = sum(len(held_out(table, fold).where("train")) for fold in folds) / len(table.where("train"))
        print(f"cross-validation: {len(folds)} trainings come first, with {work:.1f} times the work of the one that is kept", flush=True)
    rows = []
    for fold in folds:
        rows.append(fit_fold(held_out(table, fold), fold))
        print(f"fold {len(rows)}/{len(folds)} is done", flush=True)
    return CrossValidation(tuple(rows))


def family_fold(embeddings: Path, family: str, config: TrainConfig, table: Manifest, fold: int) -> Mapping[str, float]:
    """Fits a model on the embeddings of the other folds, and returns its measures on the images of this one.

    Args:
        embeddings: Of all images.
        family: See `darkroom.networks.families.ON_VECTORS`.
        config: Settings.
        table: All rows, of which the fold is the validation split.
        fold: Its number.
    """
    return fit_family(family, read_source(embeddings, table, config).problem, config).validated.row


def held_out(table: Manifest, fold: int) -> Manifest:
    """The same rows with a fold as the validation split, and the others, copies of their images included, as the training split."""
    own = np.array([-1 if value is None else value for value in table.column(FOLD)])
    sources = table.column("source_id") if "source_id" in table.table.column_names else [None] * len(own)
    splits = np.array(table.column("split"), dtype=object)
    splits[own >= 0] = "train"
    splits[own == fold] = "validation"
    splits[(own == fold) & [source is not None for source in sources]] = "excluded"
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
