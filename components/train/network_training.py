"""The training of a network: what it starts from, what is computed once, where its last layer and its rate start, and its epochs."""

import dataclasses
from pathlib import Path

from torch import nn

from components.train.averaged_weights import Averaged, average, copied
from components.train.choice import Choice, starts_linearly
from components.train.config import TrainConfig
from components.train.initial_network import initial_network
from components.train.sharing import fit_network, is_alone
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.networks import weights
from darkroom.notes import Note, tell
from darkroom.system.errors import InputError
from darkroom.training import compilation
from darkroom.training.compilation import Compilation
from darkroom.training.deadline import Deadline
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.hyperparameters import Settings
from darkroom.training.kept_views import kept_views
from darkroom.training.known_answers import KnownAnswers
from darkroom.training.linear_start import start_linearly
from darkroom.training.problem import Problem, read_problem
from darkroom.training.range_test import RangeTest, find_rate
from darkroom.training.trainer import Fitted


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A network before it is trained.

    Attributes:
        network: With the weights that it starts from; is changed by the training.
        architecture: As the model's card has it.
        problem: What it is to learn.
        settings: How.
        has_random_head: Whether its last layer has random weights.
        starts_linearly: Whether that layer is fitted as a linear model before all else.
    """

    network: nn.Module
    architecture: str
    problem: Problem
    settings: Settings
    has_random_head: bool
    starts_linearly: bool


@dataclasses.dataclass(frozen=True)
class Trained:
    """A training that is done.

    Attributes:
        fitted: Its result.
        averaged: The weights that the network holds: those of the epoch that was kept, or a mean of them and those it began with.
        settings: Those that it had in the end.
        tested: How its learning rate was found, if it was not given.
        compilation: Whether its steps were compiled.
        notes: What was told meanwhile.
    """

    fitted: Fitted
    averaged: Averaged
    settings: Settings
    tested: tuple[RangeTest, ...]
    compilation: Compilation
    notes: tuple[Note, ...]

    @property
    def delivered(self) -> Fitted:
        """The result with the measures and thresholds of the weights that the network holds."""
        best, history = self.fitted.best_epoch - 1, list(self.fitted.history)
        history[best] = {**history[best], **self.averaged.row}
        return dataclasses.replace(self.fitted, history=history, thresholds=self.averaged.thresholds)


def prepare(packed: Images, table: Manifest, policy: Path, choice: Choice, config: TrainConfig) -> Prepared:
    """Decodes the images and makes the network.

    Args:
        packed: Images, copies included.
        table: All rows.
        policy: The file of what is done to training images on the fly.
        choice: What is trained, and how.
        config: The settings as given.
    """
    problem = read_problem(packed, table, policy, config.recipe(choice.side_px), config.weight_column)
    network, has_random_head = initial_network(choice.architecture, config, len(table.classes), choice.side_px)
    if known := weights.normalisation_of(config.normalise, choice.architecture, config.weights):
        problem = dataclasses.replace(problem, mean=known[0], std=known[1])
    linearly = starts_linearly(config, choice.settings) and (has_random_head or config.head_start == "linear")
    return Prepared(network, choice.architecture, problem, choice.settings, has_random_head, linearly)


def train_network(
    prepared: Prepared,
    config: TrainConfig,
    checkpoints: Path | None = None,
    on_epoch: OnEpoch = nothing,
    deadline: Deadline | None = None,
    answers: KnownAnswers | None = None,
) -> Trained:
    """Trains a network; a resumed training computes the views and the last layer's start anew, which come out the same.

    Args:
        prepared: The network, which is changed.
        config: The settings as given.
        checkpoints: A folder where every epoch is kept until the end, or none.
        on_epoch: Called with each epoch's number, from 1, and its row of the history.
        deadline: When the step has to be done, or none.
        answers: Of other networks for the training images, learnt beside the labels, or none.

    Raises:
        InputError: A linear start is asked for of a network whose last layer is none that a linear model could be, or a share of the
            start where the last layer starts at random.
    """
    network, settings = prepared.network, prepared.settings
    with kept_views(network, prepared.problem, settings) as problem, compilation.private_cache():
        started = start_linearly(network, problem, settings) if prepared.starts_linearly else False
        if config.head_start == "linear" and not started:
            raise InputError(f"train.head_start is linear, and the last layer of {prepared.architecture} is not: set it to random")
        knows_classes = started or not prepared.has_random_head
        if config.start_share not in (0, "auto") and not knows_classes:
            told = f"train.start_share is {config.start_share:g}, and the last layer of {prepared.architecture} starts at random"
            raise InputError(f"{told}: set it to auto, or train.head_start to linear")
        if config.head_rate_factor == "auto" and knows_classes:
            settings = dataclasses.replace(settings, head_rate_factor=1.0)
        tested = (find_rate(network, problem, settings, checkpoints),) if config.learning_rate == "find" else ()
        settings = dataclasses.replace(settings, learning_rate=tested[0].rate) if tested else settings
        obstacle = "" if is_alone(config) else "several processes train together"
        obstacle = "train.time_limit_min was planned with steps as they are" if deadline else obstacle
        settled = compilation.settle(network, problem, settings, checkpoints, obstacle)
        settings = dataclasses.replace(settings, compile="on" if settled.is_on else "off")
        start = copied(network) if knows_classes else {}
        fitted = fit_network(network, problem, settings, prepared.architecture, config, checkpoints, on_epoch, deadline, answers)
        averaged = average(network, start, problem, fitted, config, settings)
        notes = (*tell("train", [test.told() for test in tested]), *_told(settled, config), *averaged.notes)
    return Trained(fitted, averaged, settings, tested, settled, notes)


def _told(settled: Compilation, config: TrainConfig) -> tuple[Note, ...]:
    """What was settled, as a note where it was tried; that it can't pay stands in the log and in the card alone."""
    if settled.is_on or settled.was_measured:
        return tell("train", [str(settled)])
    if settled.is_warning:
        return tell("train", [], [str(settled)])
    if config.compile == "auto":
        print(settled, flush=True)
    return ()
