"""What is settled before anything is drawn: an earlier assignment, and the split that the source gives."""

from pathlib import Path

import numpy as np

from darkroom import manifest
from darkroom.groups import Integers
from darkroom.manifest import Manifest
from darkroom.system.errors import InputError

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
CARVABLE, NONE = -1, -2  # carvable: train in the source, but a split that the source does not give is carved out of it


def read_earlier(path: Path, now: Manifest) -> Manifest:
    """Reads an earlier assignment.

    Raises:
        InputError: It is no assignment, or one of another kind of task.
    """
    try:
        earlier = manifest.read(path)
    except (OSError, ValueError, NotImplementedError) as error:  # Arrow's errors are these
        reason = " ".join(str(error).split())
        raise InputError(f"the earlier splits {path} can't be read ({reason}): name a file that split wrote, or none") from None
    lacking = {"split", "image_id", "labels" if earlier.task == "multilabel" else "label"} - set(earlier.table.column_names)
    if lacking:
        raise InputError(f"the earlier splits {path} have no column {min(lacking)!r}: name a file that split wrote, or none")
    if (earlier.task == "multilabel") != (now.task == "multilabel"):
        raise InputError(
            f"the earlier splits {path} are of a {earlier.task} task, the data now of a {now.task} one: name no earlier splits"
        )
    return earlier


def earlier_claims(earlier: Manifest) -> Integers:
    """The split that each row of an earlier assignment keeps, `(M,) int64`, `NONE` for none.

    An image that was excluded for its ties was in use before: it counts as train, so it can never be tested on. One
    that was excluded because its class was too small has been nowhere, and is free.
    """
    codes = {name: code for code, name in enumerate(SPLITS)}
    claims = np.array([codes.get(name, NONE) for name in earlier.column("split")], dtype=np.int64)
    known = set(earlier.classes)
    if earlier.task == "multilabel":
        in_use = np.ones(len(earlier), dtype=bool)
    else:
        in_use = np.array([label in known for label in earlier.column("label")], dtype=bool)
    return np.where((claims == NONE) & in_use, TRAIN, claims)


def given_claims(now: Manifest) -> Integers:
    """The split that the source gives each row, `(N,) int64`, `NONE` for none."""
    if "given_split" not in now.table.column_names:
        return np.full(len(now), NONE, dtype=np.int64)
    codes = {name: code for code, name in enumerate(SPLITS)}
    return np.array([codes.get(name, NONE) for name in now.column("given_split")], dtype=np.int64)
