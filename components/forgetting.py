"""Forgetting: test images that an earlier version had right and a new model has wrong, for each earlier test set."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.evaluation import Predictions, read_predictions
from components.registry import EVALUATION_KEPT, kept
from components.versions import Version, versions

MAX_VERSIONS = 5  # so many earlier ones are asked, the newest first
MAX_EXAMPLES = 5


@dataclass(frozen=True)
class Forgotten:
    """What a new model forgot of one earlier version's test set.

    Attributes:
        version: The earlier version.
        num_images: Images of its test set that are in the new one too.
        num_known: How many of them it had right, by today's labels.
        num_forgotten: How many of those the new model has wrong.
        num_learnt: How many that it had wrong the new model has right.
        examples: Paths of some forgotten images.
    """

    version: int
    num_images: int
    num_known: int
    num_forgotten: int
    num_learnt: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"version {self.version}: {self.num_forgotten} of {self.num_known} forgotten, {self.num_learnt} learnt"


def forgotten_since(name: str, number: int, now: Predictions) -> list[Forgotten]:
    """What a new version forgot of the test sets of those before it, the newest first.

    Args:
        name: The model.
        number: The new version.
        now: Its answers.
    """
    earlier = [version for version in versions(name) if version.number < number][:MAX_VERSIONS]
    return [compare(version.number, before, now) for version, before in _answers(earlier) if set(before.image_ids) & set(now.image_ids)]


def compare(version: int, before: Predictions, now: Predictions) -> Forgotten:
    """What was forgotten of one earlier test set, on the images that both have answered; right is what today's label says.

    Args:
        version: The earlier version.
        before: Its answers on its test set.
        now: The new model's answers on its own.
    """
    known = set(now.image_ids)
    shared = [name for name in before.image_ids if name in known]
    mine, theirs = now.at(shared), before.at(shared)
    truth = mine.names(mine.truth)
    right_now = np.array([answer == label for answer, label in zip(mine.names(mine.predicted), truth, strict=True)], dtype=bool)
    right_then = np.array([answer == label for answer, label in zip(theirs.names(theirs.predicted), truth, strict=True)], dtype=bool)
    lost = np.flatnonzero(right_then & ~right_now)
    examples = tuple(mine.paths[row] for row in lost[:MAX_EXAMPLES])
    return Forgotten(version, len(shared), int(right_then.sum()), len(lost), int((~right_then & right_now).sum()), examples)


def _answers(earlier: Sequence[Version]) -> Iterator[tuple[Version, Predictions]]:
    for version in earlier:
        with tempfile.TemporaryDirectory() as place:
            if folder := kept(version, EVALUATION_KEPT, Path(place)):
                yield version, read_predictions(folder)
