"""Checkpoints: a folder of a long step's unfinished work, named by the content of its inputs, and held by one process."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


@contextmanager
def hold(folder: Path) -> Iterator[Path]:
    """Makes a folder for checkpoints and holds it alone; removes it when the block ends well.

    A process that is killed loses its hold at once and leaves the folder for the next one to go on from. Where
    another process holds the folder, this one waits.

    Args:
        folder: Where the checkpoints stand; its name should say which inputs, settings and code they belong to.

    Yields:
        The folder, which now exists.
    """
    descriptor = _lock(folder)
    try:
        yield folder
        _remove(folder)
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int:
    told = False
    while True:
        descriptor = _open(folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                print(f"waiting: another process works on the same inputs and holds {folder}", flush=True)
                told = True
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _stands_at(descriptor, folder / LOCK):
            return descriptor
        os.close(descriptor)  # whoever held it has finished and removed the folder


def _open(folder: Path) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
        except FileNotFoundError:  # removed in between
            continue


def _stands_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _remove(folder: Path) -> None:
    gone = folder.with_name(f".{folder.name}.{os.getpid()}.gone")  # a waiting process must not find half a folder
    folder.rename(gone)
    shutil.rmtree(gone)
