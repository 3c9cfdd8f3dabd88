"""Who holds what: a file that one process locks; the system frees it when the process ends, however it ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from darkroom.system.errors import InputError

LOCK = "lock"


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Holds a run's folder while the run is carried out.

    Raises:
        InputError: Another process carries it out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        if not _try(descriptor):
            raise InputError(f"run {folder.name[:8]} is in progress: follow it with `darkroom logs {folder.name[:8]}`")
        yield
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a process carries out the run of this folder."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def wait_for(path: Path, holder: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Holds a file that is never removed; where another process holds it, says who does, and waits.

    Args:
        path: The file.
        holder: Who this process is, for those that wait.
        tell: Takes the message about the other holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        if not _try(descriptor):
            tell(f"{os.pread(descriptor, 1000, 0).decode(errors='replace') or 'another process'} does the same: waiting until it has ended")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
