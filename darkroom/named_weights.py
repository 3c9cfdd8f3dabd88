"""Weights that settings name by a registered model: where a step has fetched them, for itself and for the processes that it starts.

The settings keep the name, so that what is recorded, and what a step resumes with, holds on every machine.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from darkroom.model import WEIGHTS
from darkroom.system.errors import InputError
from darkroom.tracking.tags import FETCHED

REGISTERED = "models:/"  # what MLflow's own addresses of models begin with


def is_registered(weights: object) -> bool:
    """Whether weights are those of a registered model: `models:/NAME@ALIAS`, `models:/NAME/NUMBER` or `models:/NAME`."""
    return isinstance(weights, str) and weights.startswith(REGISTERED)


def path_of(weights: str) -> Path:
    """The path that weights have here: the one they name, or of a registered model that of the file in its folder.

    Raises:
        InputError: The model was not fetched, as the step was not started by a runner or the command line.
    """
    if not is_registered(weights):
        return Path(weights)
    folder = json.loads(os.environ.get(FETCHED, "{}")).get(weights)
    if folder is None:
        raise InputError(f"{weights} names a registered model, which only a runner or `python -m components` fetches: name its file")
    return Path(folder) / WEIGHTS


@contextmanager
def fetched_to(folders: Mapping[str, Path]) -> Iterator[None]:
    """Meanwhile `path_of` knows these models' folders, by the weights' names, here and in child processes."""
    before = os.environ.get(FETCHED)
    os.environ[FETCHED] = json.dumps({name: str(folder) for name, folder in folders.items()})
    try:
        yield
    finally:
        if before is None:
            del os.environ[FETCHED]
        else:
            os.environ[FETCHED] = before
