"""The temporary folder of a run: its steps get it, and it is removed when the run has ended."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darkroom.system.errors import InputError

_VARIABLE = "TMPDIR"


def check_temporary() -> None:
    """Raises `InputError` where the environment names a folder that can't be used: Python then takes another one, a shell none."""
    named = os.environ.get(_VARIABLE, "")
    if named and not (Path(named).is_dir() and os.access(named, os.W_OK | os.X_OK)):
        raise InputError(f"{_VARIABLE} is {named!r}, which is no folder that can be written to", f"make it, or unset {_VARIABLE}")


@contextmanager
def temporary_folder(run_id: str) -> Iterator[Path]:
    """A folder for the temporary files of a run's steps, which the environment names while the block runs."""
    folder, before = tempfile.mkdtemp(prefix=_prefix(run_id)), os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = folder
    try:
        yield Path(folder)
    finally:
        os.environ.pop(_VARIABLE)
        if before is not None:
            os.environ[_VARIABLE] = before
        shutil.rmtree(folder, ignore_errors=True)


def remove_temporary(run_id: str) -> None:
    """Removes what a run that was killed has left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix(run_id)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(run_id: str) -> str:
    return f"darkroom-{run_id[:8]}-"
