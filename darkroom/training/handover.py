"""What a step hands to the processes that train together, and what they hand back: files in a folder, of tensors, numbers and text."""

import dataclasses
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from darkroom.augmentation.policy import Policy
from darkroom.networks.network import build
from darkroom.system.files import read_json, whole, write_json
from darkroom.training.deadline import Course, Deadline
from darkroom.training.decoded import OnTheFly
from darkroom.training.examples import Examples
from darkroom.training.hyperparameters import Settings
from darkroom.training.known_answers import KnownAnswers
from darkroom.training.problem import Problem
from darkroom.training.trainer import Fitted

_WORK, _RESULT, _EPOCHS, _FAILURE = "work.pt", "result.pt", "epochs.jsonl", "failure-{}.json"


@dataclasses.dataclass(frozen=True)
class Work:
    """A training that processes share.

    Attributes:
        architecture: Of the network, as a model's card has it.
        dropout: See `darkroom.networks.network.build`.
        weights: The network's.
        problem: What is to be learnt.
        settings: How.
        num_threads: Of each process.
        min_parts: See `darkroom.training.world.World`.
        checkpoint: A folder where every epoch is kept, or none.
        deadline: When the step has to be done, or none.
        answers: Of other networks for the training images, or none.
    """

    architecture: str
    dropout: float
    weights: dict[str, Tensor]
    problem: Problem
    settings: Settings
    num_threads: int
    min_parts: int = 1
    checkpoint: Path | None = None
    deadline: Deadline | None = None
    answers: KnownAnswers | None = None

    def network(self) -> nn.Module:
        """The network as it is before it is trained."""
        problem = self.problem
        side = problem.train.side_px
        network = build(self.architecture, len(problem.classes), side_px=side, dropout=self.dropout, weights=self.weights)
        network.load_state_dict(self.weights)
        return network


def write_work(folder: Path, work: Work) -> None:
    """Writes what each process reads; pixels become a file that they share in the page cache."""
    plain = {field.name: getattr(work, field.name) for field in dataclasses.fields(work)}
    plain |= {"problem": _plain_problem(work.problem), "settings": dataclasses.asdict(work.settings)}
    plain["checkpoint"] = str(work.checkpoint.resolve()) if work.checkpoint else ""
    plain["deadline"] = _plain_deadline(work.deadline) if work.deadline else {}
    plain["answers"] = vars(work.answers) if work.answers else {}
    with whole(folder / _WORK) as draft:
        torch.save(plain, draft)


def read_work(folder: Path) -> Work:
    """Reads what `write_work` wrote."""
    plain: dict[str, Any] = torch.load(folder / _WORK, mmap=True, weights_only=True)
    plain |= {"problem": _problem(plain["problem"]), "settings": Settings(**plain["settings"])}
    plain["checkpoint"] = Path(plain["checkpoint"]) if plain["checkpoint"] else None
    plain["deadline"] = _deadline(**plain["deadline"]) if plain["deadline"] else None
    plain["answers"] = KnownAnswers(**plain["answers"]) if plain["answers"] else None
    return Work(**plain)


def _plain_problem(problem: Problem) -> dict[str, Any]:
    plain = {field.name: getattr(problem, field.name) for field in dataclasses.fields(problem)}
    plain |= {name: _plain_examples(plain[name]) for name in ("train", "validation")}
    return plain | {"validation_units": torch.from_numpy(problem.validation_units), "policy": problem.policy.model_dump_json()}


def _problem(plain: dict[str, Any]) -> Problem:
    units, policy = plain["validation_units"].numpy(), Policy.model_validate_json(plain["policy"])
    parts = {name: _examples(**plain[name]) for name in ("train", "validation")}
    return Problem(**{**plain, **parts, "validation_units": units, "policy": policy})


def _plain_examples(examples: Examples) -> dict[str, Any]:
    pixels = examples.pixels
    return {**vars(examples), "pixels": pixels.plain() if isinstance(pixels, OnTheFly) else pixels}


def _examples(pixels: Tensor | dict[str, Any], targets: Tensor, rows: Tensor | None) -> Examples:
    return Examples(OnTheFly.of(pixels) if isinstance(pixels, dict) else pixels, targets, rows)


def _plain_deadline(deadline: Deadline) -> dict[str, float]:
    plain = {name: getattr(deadline, name) for name in ("limit_s", "epoch_s", "between_s", "closing_s")}
    return {**plain, "began": time.time() - deadline.used_s}


def _deadline(began: float, limit_s: float, epoch_s: float, between_s: float, closing_s: float) -> Deadline:
    return Deadline(limit_s, epoch_s, between_s, closing_s, started=time.monotonic() - (time.time() - began))


def write_result(folder: Path, network: nn.Module, fitted: Fitted) -> None:
    """Writes what the first process has reached."""
    with whole(folder / _RESULT) as draft:
        torch.save({"weights": network.state_dict(), "fitted": dataclasses.asdict(fitted)}, draft)


def read_result(folder: Path, network: nn.Module) -> Fitted:
    """Reads what `write_result` wrote, the weights into a network."""
    plain: dict[str, Any] = torch.load(folder / _RESULT, weights_only=True)
    network.load_state_dict(plain["weights"])
    fitted = plain["fitted"]
    course = fitted.pop("course")
    return Fitted(**fitted, course=course and Course(**course))


def write_epoch(folder: Path, epoch: int, row: dict[str, float]) -> None:
    """Adds an epoch's number and row to those that the step is told."""
    with (folder / _EPOCHS).open("a", encoding="utf-8") as file:
        file.write(json.dumps([epoch, row]) + "\n")


def epochs_after(folder: Path, number: int) -> Iterator[tuple[int, dict[str, float]]]:
    """The epochs that were written after so many of them."""
    path = folder / _EPOCHS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    for line in lines[number:]:
        if line.endswith("\n"):
            epoch, row = json.loads(line)
            yield epoch, row


def write_failure(folder: Path, rank: int, kind: str, message: str) -> None:
    """Writes why a process failed."""
    write_json(folder / _FAILURE.format(rank), {"kind": kind, "message": message, "time": time.time(), "pid": os.getpid()})


def first_failure(folder: Path) -> tuple[str, str] | None:
    """Kind and message of the failure that came first, or none; those after it may be of processes that waited for the first."""
    found = [read_json(path) for path in folder.glob(_FAILURE.format("*"))]
    return min(((one["time"], one["kind"], one["message"]) for one in found), default=(0.0, "", ""))[1:] if found else None
