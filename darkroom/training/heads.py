"""Classical models learnt from embeddings: which settings are best on the validation vectors, with which thresholds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch

from darkroom import groups
from darkroom.evaluation import Predictions
from darkroom.manifest import Manifest
from darkroom.metrics.measures import Ints
from darkroom.model import decide
from darkroom.networks.families import Family
from darkroom.task import Task
from darkroom.training import losses, thresholds
from darkroom.training.classical import Head, HeadSettings, Vectors, candidates, fit_head
from darkroom.training.hyperparameters import Auto, Balance
from darkroom.training.linear import Floats, one_hot
from darkroom.training.sample_weights import image_weights
from darkroom.training.validation import Validated, error_of, score

TUNED_ON = 10_000  # training vectors that settings are tried on


class VectorSource(Protocol):
    """Vectors by the ids of their images, as `darkroom.embeddings.Embeddings` has them."""

    def __contains__(self, name: object, /) -> bool: ...

    def of(self, names: Iterable[str]) -> Floats:
        """The vectors of some images, `(len(names), D) float32`."""
        ...


@dataclass(frozen=True)
class VectorProblem:
    """What is to be learnt from vectors.

    Attributes:
        train: Vectors to learn from.
        validation: Vectors that choose settings and thresholds; may be empty.
        image_ids: Of the validation vectors.
        validation_units: `(N,)`: see `darkroom.training.problem.Problem`.
        classes: Class names in the order of the outputs.
        task: `binary`, `multiclass` or `multilabel`.
    """

    train: Vectors
    validation: Vectors
    image_ids: tuple[str, ...]
    validation_units: Ints
    classes: tuple[str, ...]
    task: Task


@dataclass(frozen=True)
class FittedHead:
    """A classical model, and what it is worth on the validation vectors.

    Attributes:
        head: The model.
        thresholds: From which probability on a label is given.
        validated: Loss and measures, as a network's epoch has them; empty without validation vectors.
    """

    head: Head
    thresholds: tuple[float, ...]
    validated: Validated


def read_vector_problem(embeddings: VectorSource, table: Manifest, balance: Balance, weight_column: str = "") -> VectorProblem:
    """Reads vectors and labels; copies that `augment` made have no vectors and are left out.

    Args:
        embeddings: The vectors.
        table: All rows, with their `split`.
        balance: How rare classes are made to count: by weights, unless it is `none`.
        weight_column: The user's column of weights of training images, see `darkroom.training.sample_weights`; empty: none.

    Raises:
        InputError: An image has no weight.
    """
    training, validating = (_with_vectors(embeddings, table.where(split)) for split in ("train", "validation"))
    units = groups.independent_units(groups.grouping_columns(validating)) if len(validating) else np.zeros(0, np.int64)
    counting = image_weights(training, weight_column)
    train, validation = _vectors(embeddings, training, balance, counting), _vectors(embeddings, validating, balance, None)
    return VectorProblem(train, validation, tuple(validating.column("image_id")), units, table.classes, table.task)


def _with_vectors(embeddings: VectorSource, rows: Manifest) -> Manifest:
    known = [row for row, name in enumerate(rows.column("image_id")) if name in embeddings]
    return replace(rows, table=rows.table.take(pa.array(known, pa.int64())))


def _vectors(embeddings: VectorSource, rows: Manifest, balance: Balance, counting: Floats | None) -> Vectors:
    targets = rows.targets()
    weights = example_weights(rows.task, targets, len(rows.classes), balance, counting)
    return Vectors(embeddings.of(rows.column("image_id")), targets, weights)


def example_weights(task: Task, targets: Ints, num_classes: int, balance: Balance, counting: Floats | None = None) -> Floats:
    """How much each answer counts where rare classes are made to count by weights: `(N, K) float32`.

    Args:
        task: What the targets mean.
        targets: Class indices `(N,)`, or `(N, K)` of 0 and 1 for multilabel.
        num_classes: K.
        balance: Any but `none` means weights.
        counting: How much each image counts, `(N,)`, by which its answers are multiplied; none: all as much.
    """
    images = np.ones(len(targets), np.float32) if counting is None else counting
    if balance == "none" or not len(targets):
        return np.repeat(images[:, None], num_classes, 1)
    given = None if counting is None else torch.from_numpy(counting)
    by_class = losses.class_weights(task, torch.from_numpy(targets), num_classes, given).numpy()
    if task == "multilabel":
        weights = np.where(targets > 0, by_class[1], by_class[0])
    else:
        weights = np.repeat(by_class[targets][:, None], num_classes, 1)
    found: Floats = (weights * images[:, None]).astype(np.float32)
    return found


def fit_best(
    family: Family, problem: VectorProblem, given: Mapping[str, float | Auto], monitor: str, prior_images: float, seed: int
) -> FittedHead:
    """Tries a few settings on at most 10,000 training vectors, and fits with the best one on all.

    The best one has the lowest loss on the validation vectors among those within a standard error of the best by the monitored measure.

    Args:
        family: Which model.
        problem: What is to be learnt.
        given: Settings, or `auto`, see `candidates`.
        monitor: The measure that decides, as a network's epoch is chosen by.
        prior_images: How much few images hold the thresholds back, see `darkroom.training.thresholds.tune_one`.
        seed: Decides samples and trees.
    """
    settings = candidates(family, given, seed)
    if len(problem.validation) and len(settings) > 1:
        sample = problem.train.sample(TUNED_ON, seed)
        tried = [_fitted(family, problem, sample, one, prior_images) for one in settings]
        settings = [settings[_best(tried, monitor)]]
        if len(sample) == len(problem.train):
            return next(one for one in tried if one.head.settings == settings[0])
    return _fitted(family, problem, problem.train, settings[0], prior_images)


def _best(tried: Sequence[FittedHead], monitor: str) -> int:
    scores = [score(one.validated.row, monitor) for one in tried]
    first = int(np.argmax(scores))
    least = scores[first] - error_of(tried[first].validated, monitor)
    near = [index for index, value in enumerate(scores) if value >= least]
    return min(near, key=lambda index: tried[index].validated.row["validation_loss"])


def _fitted(family: Family, problem: VectorProblem, examples: Vectors, settings: HeadSettings, prior_images: float) -> FittedHead:
    head = fit_head(family, examples, problem.task, len(problem.classes), settings)
    y_score, y_true = head.probabilities(problem.validation.vectors), problem.validation.targets
    limits = thresholds.tune(problem.task, y_true, y_score, prior_images)
    if not len(problem.validation):
        return FittedHead(head, limits, Validated({}))
    names, y_pred = problem.image_ids, decide(problem.task, y_score, limits)
    found = Predictions(names, names, problem.classes, problem.task, y_true, y_pred, y_score, problem.validation_units)
    row = {"loss": _log_loss(y_true, y_score), **found.measures()}
    return FittedHead(head, limits, Validated({f"validation_{name}": value for name, value in row.items()}, found))


def _log_loss(y_true: Ints, y_score: Floats) -> float:
    """Cross-entropy of the true class, or the mean over all labels for multilabel."""
    truth, sure = one_hot(y_true, y_score.shape[1]), np.clip(y_score.astype(np.float64), 1e-7, 1 - 1e-7)
    if y_true.ndim == 1:
        return float(-(truth * np.log(sure)).sum(1).mean())
    return float(-(truth * np.log(sure) + (1 - truth) * np.log(1 - sure)).mean())
