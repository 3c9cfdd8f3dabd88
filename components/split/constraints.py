"""Splits that are fixed before images are assigned: by a previous assignment, or by the source."""

from pathlib import Path

import numpy as np

from darkroom import manifest
from darkroom.manifest import Manifest
from darkroom.system.errors import InputError
from darkroom.units import Integers

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
TRAIN_POOL, FREE = -1, -2  # the pool: train in the source, but a split that the source does not give is drawn from it


def read_previous(path: Path, current: Manifest) -> Manifest:
    """Reads a previous assignment.

    Args:
        path: A manifest that `split` wrote.
        current: The images to be assigned now.

    Raises:
        InputError: The file is no assignment, or its task is of another kind.
    """
    try:
        previous = manifest.read(path)
    except (OSError, ValueError, NotImplementedError) as error:  # Arrow's errors are these
        reason = " ".join(str(error).split())
        raise InputError(f"the previous splits {path} can't be read ({reason}): name a file that split wrote, or none") from None
    lacking = {"split", "image_id", previous.label_column} - set(previous.table.column_names)
    if lacking:
        raise InputError(f"the previous splits {path} have no column {min(lacking)!r}: name a file that split wrote, or none")
    if (previous.task == "multilabel") != (current.task == "multilabel"):
        raise InputError(
            f"the previous splits {path} are of a {previous.task} task and the data of a {current.task} task: set split.previous to none"
        )
    return previous


def previous_constraints(previous: Manifest) -> Integers:
    """The split that each row of a previous assignment keeps, `(M,) int64`, or `FREE`.

    An image that was excluded for its ties counts as train, so that it is never tested on. An image that was excluded
    because its class was too small is free.
    """
    codes = {name: code for code, name in enumerate(SPLITS)}
    constraints = np.array([codes.get(name, FREE) for name in previous.column("split")], dtype=np.int64)
    known = set(previous.classes)
    if previous.task == "multilabel":
        in_use = np.ones(len(previous), dtype=bool)
    else:
        in_use = np.array([label in known for label in previous.column("label")], dtype=bool)
    return np.where((constraints == FREE) & in_use, TRAIN, constraints)


def given_constraints(current: Manifest) -> Integers:
    """The split that the source gives each row, `(N,) int64`, or `FREE`."""
    if "given_split" not in current.table.column_names:
        return np.full(len(current), FREE, dtype=np.int64)
    codes = {name: code for code, name in enumerate(SPLITS)}
    return np.array([codes.get(name, FREE) for name in current.column("given_split")], dtype=np.int64)
