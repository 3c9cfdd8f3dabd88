"""Forgetting: test images that an earlier version had right and a new model has wrong, for each earlier test set."""

from typing import TYPE_CHECKING

import numpy as np

from darkroom.outcome import Forgotten

if TYPE_CHECKING:
    from darkroom.evaluation import Predictions  # its measures take seconds to import, and runs are listed without them

MAX_EXAMPLES = 5


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
