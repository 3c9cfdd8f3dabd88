"""The training loop: epoch after epoch, with a checkpoint after each, and resumption after a kill."""

import copy
import dataclasses
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import nn

from darkroom.training.checkpoint import load, save
from darkroom.training.deadline import Deadline
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.hyperparameters import Settings
from darkroom.training.known_answers import KnownAnswers
from darkroom.training.problem import Problem
from darkroom.training.trainer import Fitted, Trainer
from darkroom.training.world import World

WARM_STEPS, TIMED_STEPS = 3, 7  # of a measurement


def fit(
    network: nn.Module,
    problem: Problem,
    settings: Settings,
    *,
    checkpoint: Path | None = None,
    on_epoch: OnEpoch = nothing,
    deadline: Deadline | None = None,
    world: World | None = None,
    answers: KnownAnswers | None = None,
) -> Fitted:
    """Trains a network and leaves in it the weights of the last epoch within one standard error of the best, on the CPU.

    Args:
        network: Maps normalised images `(N, 3, S, S)` to logits `(N, K)`; is changed.
        problem: What is to be learnt.
        settings: How.
        checkpoint: A folder where every epoch is kept until the end, and from which a killed training resumes.
        on_epoch: Called with each epoch's number, from 1, and its row of the history; after a resumption also for
            the epochs before it.
        deadline: When the step has to be done, or none.
        world: The processes that train it, each of which calls this; one of them keeps the checkpoints.
        answers: Of other networks for the training images, learnt beside the labels, or none.

    Raises:
        InputError: The loss has left the finite numbers, or no GPU is there though one was asked for.
    """
    trainer = Trainer(network, problem, settings, deadline, world, answers)
    if checkpoint and (state := load(checkpoint, trainer.meaning)):
        trainer.restore(state)
        print(f"resuming after epoch {len(trainer.history)}/{settings.epochs}, up to which the checkpoint goes", flush=True)
        for number, row in enumerate(trainer.history, start=1):
            on_epoch(number, row)
    while not trainer.is_done():
        with trainer.computing():
            row = trainer.run_epoch()
        if checkpoint and trainer.world.is_first:
            save(checkpoint, trainer.state())
        print(_line(row, settings), flush=True)
        on_epoch(len(trainer.history), row)
    return trainer.finish()


def losses_at(network: nn.Module, problem: Problem, settings: Settings, rates: Sequence[float]) -> Iterator[float]:
    """Trains a copy of a network one step at each learning rate, and gives the losses before these steps.

    Args:
        network: Is left as it is.
        problem: What is to be learnt.
        settings: How; all layers learn that ever do.
        rates: Learning rates.
    """
    trainer = _trial(network, problem, settings)
    with trainer.computing():
        order, augmenting = trainer.begin(settings.freeze_epochs + settings.unfreeze_epochs)
        for number, rate in enumerate(rates):
            trainer.use_rate(rate)
            yield float(trainer.step(order[number % len(order)], augmenting))


def step_seconds(network: nn.Module, problem: Problem, settings: Settings, max_s: float) -> float:
    """Measures the seconds of a training step, by image, on a copy of a network all of whose layers learn that ever do.

    Args:
        network: Is left as it is.
        problem: What is to be learnt.
        settings: How; the images have their full side.
        max_s: For how long is measured; at least two steps are, and the first ones don't count.
    """
    trainer = _trial(network, problem, settings)
    taken, began = list[float](), time.monotonic()
    with trainer.computing():
        order, augmenting = trainer.begin(max(settings.epochs, settings.freeze_epochs + settings.unfreeze_epochs))
        while len(taken) < 2 or (len(taken) < WARM_STEPS + TIMED_STEPS and time.monotonic() - began < max_s):
            rows, start = order[len(taken) % len(order)], time.monotonic()
            float(trainer.step(rows, augmenting))
            trainer.average.update_parameters(trainer.network)
            taken.append((time.monotonic() - start) / len(rows))
    return statistics.median(taken[min(WARM_STEPS, len(taken) - 1) :])


def _trial(network: nn.Module, problem: Problem, settings: Settings) -> Trainer:
    """A trainer of a copy of a network, for a few steps, which are not compiled."""
    return Trainer(copy.deepcopy(network), problem, dataclasses.replace(settings, compile="off"))


def _line(row: dict[str, float], settings: Settings) -> str:
    shown = {"train_loss": row["train_loss"]}
    if (monitored := f"validation_{settings.monitor}") in row:
        shown[monitored if settings.monitor == "loss" else settings.monitor] = row[monitored]
    return f"epoch {row['epoch']:.0f}/{settings.epochs}  " + "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
