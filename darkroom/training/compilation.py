"""Whether torch.compile pays for a training: settled once, before its first step, and kept beside the checkpoints.

A compiled step computes the same but for rounding. What was settled stays for the whole training, so a resumed one gives the same weights.
"""

import copy
import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from darkroom.system.cores import num_cores
from darkroom.training import devices
from darkroom.training.hyperparameters import Settings
from darkroom.training.kept_result import kept_result
from darkroom.training.problem import Problem
from darkroom.training.trainer import Trainer

NAME = "compilation.json"
TIMED_STEPS = 5  # of each way
COMPILING_S = 60.0  # that a try takes about: batches have one or two sizes, and lite0 takes half a minute for each on a CPU
MOST_SAVED = 0.4  # of a step's time, that is hoped for: where even this is worth less than a try takes, none is made
LEAST_SAVED = 0.05  # of a step's time, that compiled steps are taken for


@dataclasses.dataclass(frozen=True)
class Compilation:
    """What was settled.

    Attributes:
        is_on: Whether steps are compiled.
        reason: Why, or why not.
        was_measured: Whether steps were timed both ways.
        is_warning: Whether `on` asked for it and they are not.
    """

    is_on: bool
    reason: str
    was_measured: bool = False
    is_warning: bool = False

    def __str__(self) -> str:
        return f"torch.compile is {'on' if self.is_on else 'off'}: {self.reason}"


def settle(network: nn.Module, problem: Problem, settings: Settings, checkpoint: Path | None, obstacle: str = "") -> Compilation:
    """Settles whether a training is compiled; a resumed one takes what was settled before.

    Args:
        network: Is left as it is.
        problem: What is to be learnt.
        settings: How; of `compile`, `on` tries a step, `auto` times a few both ways where that can pay.
        checkpoint: A folder where the result is kept, or none.
        obstacle: Why it can't be compiled; empty where it can.
    """
    meaning = {**dataclasses.asdict(settings), "obstacle": obstacle}
    found = kept_result(checkpoint and checkpoint / NAME, meaning, lambda: vars(_settled(network, problem, settings, obstacle)))
    return Compilation(**found)


@contextmanager
def private_cache() -> Iterator[None]:
    """While it is entered, torch.compile keeps code, which it runs, where no other user can write; what the user set stays."""
    with tempfile.TemporaryDirectory(prefix="darkroom-compiled-", ignore_cleanup_errors=True) as folder:
        wanted = {
            "TORCHINDUCTOR_CACHE_DIR": folder,
            "TRITON_CACHE_DIR": f"{folder}/triton",
            "TORCHINDUCTOR_COMPILE_THREADS": str(num_cores()),
        }
        given = {name: value for name, value in wanted.items() if name not in os.environ}
        os.environ.update(given)
        try:
            yield
        finally:
            for name in given:
                os.environ.pop(name, None)


def _settled(network: nn.Module, problem: Problem, settings: Settings, obstacle: str) -> Compilation:
    is_asked = settings.compile == "on"
    if settings.compile == "off":
        return Compilation(False, "as train.compile says")
    if settings.unfreeze_epochs or settings.first_side_share < 1:
        obstacle = "layers that begin to learn (train.unfreeze_epochs) and sides that grow (train.first_side_share) need it again and again"
    if obstacle:
        return Compilation(False, obstacle, is_warning=is_asked)
    if is_asked:
        return _tried(network, problem, settings)[0]
    if devices.choose(settings.device).type == "cpu":
        return Compilation(False, "on a CPU it saves little of a step; train.compile=on tries it")
    return measure(network, problem, settings)


def measure(network: nn.Module, problem: Problem, settings: Settings) -> Compilation:
    """Times a few steps as they are and, where what could be saved is worth the try, compiled.

    Args:
        network: Is left as it is.
        problem: What is to be learnt.
        settings: How.
    """
    plain_s, num_steps = _step_s(network, problem, dataclasses.replace(settings, compile="off"))
    if MOST_SAVED * num_steps * plain_s < COMPILING_S:
        return Compilation(False, f"{num_steps:,} steps of {1000 * plain_s:.3g} ms are too few to save what compiling takes")
    found, compiled_s = _tried(network, problem, settings)
    if not found.is_on:
        return found
    reason = f"a step takes {1000 * compiled_s:.3g} ms compiled, and {1000 * plain_s:.3g} ms as it is"
    return Compilation(compiled_s < (1 - LEAST_SAVED) * plain_s, reason, was_measured=True)


def _tried(network: nn.Module, problem: Problem, settings: Settings) -> tuple[Compilation, float]:
    """Whether steps can be compiled, and the seconds that one takes then."""
    try:
        compiled_s, _ = _step_s(network, problem, dataclasses.replace(settings, compile="on"))
    except (RuntimeError, OSError) as error:  # what is no fault of the compiler's fails again without it
        words = " ".join(str(error).split())[:200]
        return Compilation(False, f"compiling failed ({type(error).__name__}: {words})", is_warning=settings.compile == "on"), 0.0
    finally:
        torch.compiler.reset()
    return Compilation(True, "as train.compile says"), compiled_s


def _step_s(network: nn.Module, problem: Problem, settings: Settings) -> tuple[float, int]:
    """Seconds of a training step on a copy of a network, once batches of each size have gone through it; and the training's steps."""
    trainer, taken = Trainer(copy.deepcopy(network), problem, settings), list[float]()
    with trainer.computing():
        order, augmenting = trainer.begin(settings.epochs)
        first = list({len(rows): rows for rows in order}.values())
        for rows in [*first, *order[:TIMED_STEPS]]:
            began = time.monotonic()
            float(trainer.step(rows, augmenting))
            taken.append(time.monotonic() - began)
    return statistics.median(taken[len(first) :]), settings.epochs * len(order)
