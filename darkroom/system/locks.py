"""Locks between processes: a file that one of them has locked; the system releases it when that process ends, however it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.system.errors import InputError

if TYPE_CHECKING:
    from filelock import FileLock

LOCK = "lock"


def acquire(path: Path, holder: str = "") -> "FileLock":
    """Locks a file, which is made where it is missing and never removed, as soon as no other process has it; the caller releases it.

    Args:
        path: The file.
        holder: Who this process is, for those that find the file locked; written into it.

    Raises:
        FileNotFoundError: The folder was removed meanwhile.
    """
    lock = _lock(path)
    lock.acquire()
    _write_holder(path, holder)
    return lock


def try_acquire(path: Path, holder: str = "") -> "FileLock | None":
    """Locks a file like `acquire`; nothing where another process has it now."""
    from filelock import Timeout

    lock = _lock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    _write_holder(path, holder)
    return lock


@contextmanager
def locked(path: Path, holder: str = "", notify: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Waits until a file can be locked, and keeps it so until the block ends.

    Args:
        path: The file.
        holder: Who this process is, for those that wait.
        notify: Takes the message about the process that has it now, if one has.
    """
    lock = try_acquire(path, holder)
    if lock is None:
        notify(
            f"{path.read_text(encoding='utf-8', errors='replace')[:1000] or 'another process'} does the same: waiting until it has ended"
        )
        lock = acquire(path, holder)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Locks a run's folder while the run is carried out.

    Raises:
        InputError: Another process carries it out.
    """
    lock = try_acquire(folder / LOCK)
    if lock is None:
        raise InputError(f"run {folder.name[:8]} is in progress: follow it with `darkroom logs {folder.name[:8]}`")
    try:
        yield
    finally:
        lock.release()


def is_locked(folder: Path) -> bool:
    """Whether a process works in this folder: carries out a run, or keeps checkpoints."""
    if not (folder / LOCK).exists():
        return False
    lock = try_acquire(folder / LOCK)
    if lock is not None:
        lock.release()
    return lock is None


def _lock(path: Path) -> "FileLock":
    from filelock import FileLock  # takes a tenth of a second

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, thread_local=False, fallback_to_soft=False)


def _write_holder(path: Path, holder: str) -> None:
    if holder:
        path.write_text(holder, encoding="utf-8")
