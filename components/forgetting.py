"""Forgetting: test images that an earlier version had right and a new model has wrong, for each earlier test set."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from components.evaluation import Predictions  # its measures take seconds to import, and runs are listed without them

FORGOTTEN = "darkroom.forgotten"  # tag of a version and its run: a sentence an earlier test set
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


def compare(version: int, before: "Predictions", now: "Predictions") -> Forgotten:
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
