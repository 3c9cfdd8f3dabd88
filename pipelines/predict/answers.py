"""Answers of a model, for the command line."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.ingest.recognition import recognize
from components.ingest.sources import HEAD_BYTES, File
from darkroom.data_files import list_files
from darkroom.model import ModelCard, Predictor, labels_of
from darkroom.pixels import UnreadableError, pixels
from darkroom.registry import fetch
from darkroom.registry.registry import CHAMPION, alias_of, aliases
from darkroom.system.errors import InputError

BATCH_SIZE = 64


@dataclass(frozen=True)
class Answers:
    """What a model says of files.

    Attributes:
        answers: A dictionary an image, in their order: `image`, `labels` (one, or any number for multi-label), `probabilities`
            by class, and `note`: which threshold decided, where the most probable label is not the answer, else empty.
        failures: A sentence for each file that is no image, or can't be read.
        version: Which version answered, in a sentence, where the model's name left that open; else empty.
    """

    answers: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    version: str = ""


def predict_files(model: str, paths: Sequence[Path]) -> Answers:
    """Labels and probabilities of image files; a file that can't be read keeps no other from its answer.

    Args:
        model: A bundle's folder, `name@alias`, `name/version`, `name` for its champion or else its newest challenger, or a run's id.
        paths: Image files, in any format that Pillow reads, and folders of them.

    Raises:
        InputError: There is no such model, or not one of the files can be answered.
    """
    files = [(file, _why_unusable(file)) for path in paths for file in _images(path)]
    readable = [file for file, reason in files if not reason]
    failures = [reason for _, reason in files if reason]
    answers: list[dict[str, Any]] = []
    version = ""
    if readable:
        bundle, version = _find(model, Path("runs") / "models")
        predictor = Predictor(bundle)
        for start in range(0, len(readable), BATCH_SIZE):
            answers += _answer(readable[start : start + BATCH_SIZE], predictor, failures)
    if not answers:
        more = f", and {len(failures) - 3:,} more" if len(failures) > 3 else ""
        raise InputError("; ".join(failures[:3]) + more or f"there is no image in {', '.join(map(str, paths))}: name image files")
    return Answers(answers, failures, version)


def _find(model: str, cache: Path) -> tuple[Path, str]:
    """A model's bundle, and a sentence that says which version it is, where the name alone does not."""
    if "@" in model or "/" in model or fetch.is_bundle(model):
        return fetch.fetch_bundle(model, cache), ""
    version = fetch.find_model(model)
    alias = alias_of(version)
    missing = "" if alias == CHAMPION or CHAMPION in aliases(version.name) else f"; {version.name} has no champion"
    return fetch.fetch_version(version, cache), f"{version.name} version {version.number} answers ({alias or 'no alias'}{missing})"


def _images(path: Path) -> list[Path]:
    """What `ingest` would take for the images of a folder; a path that is no folder by itself."""
    if not os.path.isdir(path):  # noqa: PTH112  `Path.is_dir` raises where a name is too long, or a folder may not be searched
        return [path]
    return [path / name for name, place in list_files(path).places.items() if place and _may_be_image(path / name)]


def _may_be_image(path: Path) -> bool:
    """Whether `ingest` would take a file for an image; also one that can't be read, which is told when it is read whole."""
    try:
        with path.open("rb") as file:
            return recognize(File(path.name, file.read(HEAD_BYTES)), named=False) is not None
    except OSError:
        return True


def _why_unusable(path: Path) -> str:
    """Why there is no image file at a path, in a sentence; empty where there may be one."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return f"{path} does not exist"
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    return "" if stat.S_ISREG(kind) else f"{path} is a device or a pipe, not an image file"


def _answer(paths: Sequence[Path], predictor: Predictor, failures: list[str]) -> list[dict[str, Any]]:
    """The answers for those of some files that are images."""
    card, pictures, answered = predictor.card, [], []
    for path in paths:
        try:
            pictures.append(pixels(path.read_bytes(), card.recipe))
            answered.append(path)
        except UnreadableError as error:
            failures.append(f"{path} can't be read as an image: {error}")
        except OSError as error:
            failures.append(f"{path} can't be read: {error.strerror}")
    if not pictures:
        return []
    probabilities = predictor.probabilities(np.stack(pictures))
    chosen = labels_of(card, probabilities)
    indices = [row.nonzero()[0] if card.task == "multilabel" else [int(row)] for row in chosen]
    labels = [[card.classes[index] for index in row] for row in indices]
    return [
        {
            "image": str(path),
            "labels": given,
            "probabilities": {name: round(float(value), 6) for name, value in zip(card.classes, values, strict=True)},
            "note": threshold_note(card, values, given),
        }
        for path, given, values in zip(answered, labels, probabilities, strict=True)
    ]


def threshold_note(card: ModelCard, probabilities: npt.NDArray[np.float32], labels: Sequence[str]) -> str:
    """Which threshold decided, where the most probable label is not the answer; else empty.

    Args:
        card: Task, classes and thresholds.
        probabilities: `(K,)`, 0 to 1, of one image.
        labels: The answer.
    """
    top = int(probabilities.argmax())
    if not card.thresholds or card.classes[top] in labels:
        return ""
    decisive = top if card.task == "multilabel" else 1  # of two classes, the second one has the threshold
    name, value, threshold = card.classes[decisive], probabilities[decisive], card.thresholds[decisive if card.task == "multilabel" else 0]
    how = "reaches" if name in labels else "is below"
    answer = f"the answer is {labels[0]}" if card.task == "binary" else "it is not among the answers"
    return f"{card.classes[top]} is the most probable, but {answer}: {name} {value:.3f} {how} its threshold {threshold:.3f}"
