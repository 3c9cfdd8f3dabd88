"""What a training costs on this machine, measured on a few of its images before it starts."""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from components.train.choice import kept_views_of
from components.train.config import TrainConfig
from components.train.initial_network import initial_network
from components.train.sharing import gpus_used
from darkroom import groups
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.metrics.measures import Ints
from darkroom.model import ModelCard
from darkroom.networks import export
from darkroom.training import devices, thresholds, validation
from darkroom.training.batches import Normalise
from darkroom.training.hyperparameters import Settings
from darkroom.training.kept_views import kept_views
from darkroom.training.loop import step_seconds
from darkroom.training.losses import make_loss
from darkroom.training.micro_batches import MIN_IMAGES
from darkroom.training.problem import Problem, read_problem

T = TypeVar("T")
NUM_BATCHES = 2  # of images are decoded to measure with
MAX_SHARE = 0.02  # of the limit: for so long the steps of a side are measured


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds that images of one side take.

    Attributes:
        decode_s: To decode one.
        keep_s: To compute what the frozen layers make of one view; 0 where no views are kept.
        step_s: A training step of one, forward and backward.
        validate_s: A prediction of one while training.
        forward_s: A prediction of one.
    """

    decode_s: float
    keep_s: float
    step_s: float
    validate_s: float
    forward_s: float


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        sides: Seconds of each side that was measured, ascending: one or two.
        score_s: Seconds that the measures of all validation images take, without the predictions.
        export_s: Seconds that the model takes to be written.
    """

    sides: tuple[tuple[int, Costs], ...]
    score_s: float
    export_s: float

    def at(self, side_px: int) -> Costs:
        """The seconds at another side: they grow with the number of pixels, from a part that does not."""
        (low, less), (high, more) = self.sides[0], self.sides[-1]
        share = (side_px**2 - low**2) / (high**2 - low**2) if high > low else 0.0
        pairs = zip(dataclasses.astuple(less), dataclasses.astuple(more), strict=True)
        return Costs(*(max(first + share * (second - first), 0.0) for first, second in pairs))


class Bench:
    """Measures a training's parts with a few of its own images.

    Args:
        packed: Images, copies included.
        table: All rows.
        policy: The file of what is done to training images on the fly.
        architecture: What is trained.
        settings: How.
        config: The settings as given.
    """

    def __init__(self, packed: Images, table: Manifest, policy: Path, architecture: str, settings: Settings, config: TrainConfig) -> None:
        self._packed, self._table, self._policy = packed, table, policy
        self._architecture, self._settings, self._config = architecture, settings, config
        self._num_train = len(table.where("train"))

    def costs(self, side: int) -> Costs:
        """Measures images of one side."""
        few = self._few()
        problem, decoded_s = _timed(lambda: read_problem(self._packed, few, self._policy, self._config.recipe(side)))
        network, _ = initial_network(self._architecture, self._config, len(self._table.classes), side)
        gpus = max(1, gpus_used(self._config))  # processes on a CPU share what one has
        settings = dataclasses.replace(self._settings, batch_size=max(MIN_IMAGES, self._settings.batch_size // gpus))
        views = kept_views_of(self._architecture, side, self._num_train, self._config)
        settings = dataclasses.replace(settings, kept_views=views)
        began = time.monotonic()
        with kept_views(network, problem, settings) as behind:
            num_views = settings.kept_views * len(problem.train) + len(problem.validation)
            keep_s = (time.monotonic() - began) / num_views if behind is not problem else 0.0
            step_s = step_seconds(network, behind, settings, MAX_SHARE * 60 * self._config.time_limit_min) / gpus
            validate_s = self._forward_s(network, behind) / gpus
        forward_s = self._forward_s(network, problem) / gpus
        return Costs(decoded_s / len(few), keep_s, step_s, validate_s, forward_s)

    def _forward_s(self, network: nn.Module, problem: Problem) -> float:
        """Seconds that a prediction takes an image, when it is not the first."""
        device = devices.choose(self._settings.device)
        images, normalise = problem.train.to(device), Normalise(problem.mean, problem.std, device)
        half = devices.short_validation(self._settings.mixed_precision, device)
        network = network.to(device).eval()
        taken = [_timed(lambda: validation.logits_of(network, images, len(problem.classes), normalise, half).cpu())[1] for _ in range(2)]
        network.to("cpu")
        return taken[-1] / len(images)

    def score_s(self) -> float:
        """Seconds that the measures of all validation images take, without the predictions."""
        rows, settings = self._table.where("validation"), self._settings
        if not len(rows):
            return 0.0
        targets = torch.from_numpy(rows.targets())
        targets = targets.float() if rows.task == "multilabel" else targets
        units = groups.independent_units(groups.grouping_columns(rows))
        logits = torch.randn(len(rows), len(rows.classes), generator=torch.Generator().manual_seed(0))
        loss = make_loss(rows.task, targets, len(rows.classes), settings)

        def score() -> None:
            found = validation.judge(logits, targets, rows.classes, rows.task, units, loss, settings.threshold_prior_images)
            validation.error_of(found, settings.monitor)

        return _timed(score)[1]

    def export_s(self, side: int) -> float:
        """Seconds that the model takes to be written."""
        table = self._table
        network, _ = initial_network(self._architecture, self._config, len(table.classes), side)
        none = np.zeros((0, len(table.classes)))
        tuned = thresholds.tune(table.task, none.astype(np.int64), none, 0)
        card = ModelCard(self._architecture, table.classes, table.task, side, (0.5,) * 3, (0.5,) * 3, tuned)
        with tempfile.TemporaryDirectory() as folder:
            return _timed(lambda: export.save_model(Path(folder) / "model", network, card))[1]

    def _few(self) -> Manifest:
        """A batch or two of training images, and as many for validation, evenly from all."""
        number = NUM_BATCHES * self._settings.batch_size
        splits = self._table.column("split")
        rows = [_spread([row for row, split in enumerate(splits) if split == wanted], number) for wanted in ("train", "validation")]
        return dataclasses.replace(self._table, table=self._table.table.take(np.concatenate(rows)))


def _spread(rows: list[int], number: int) -> Ints:
    """Some of many, evenly spaced."""
    return np.array(rows, np.int64)[np.linspace(0, len(rows) - 1, min(len(rows), number)).round().astype(np.int64)]


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    start = time.monotonic()
    return call(), time.monotonic() - start
