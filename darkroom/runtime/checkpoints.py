"""Checkpoints: a folder of a long step's unfinished work, named by the content of its inputs.

On a file system one process locks it. Object storage knows no locks: there the step works in a scratch folder, and each file
that it finishes is copied to the bucket.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.system.errors import InputError
from darkroom.system.locks import LOCK, acquire, try_acquire

if TYPE_CHECKING:
    from filelock import FileLock

ADDRESS = r"s3://(?P<bucket>[a-z0-9][-a-z0-9.]{1,61}[a-z0-9])(/(?P<prefix>[^\s?#@:]*))?"
Save = Callable[[], None]


@contextmanager
def checkpoint_folder(root: str, name: str) -> Iterator[tuple[Path, Save]]:
    """Provides a folder for checkpoints, with what an earlier attempt left in it; removes it when the block ends without an error.

    Args:
        root: Where checkpoints are kept: a folder, or `s3://bucket/prefix`.
        name: Says which inputs, settings and code the work belongs to.

    Yields:
        The folder, and what is to be called whenever a checkpoint in it is finished.

    Raises:
        InputError: The address has another form, or the bucket can't be read and written.
    """
    if "://" not in root:
        with locked_folder(Path(root) / name) as folder:
            yield folder, lambda: None
        return
    match = re.fullmatch(ADDRESS, root)
    if match is None:
        raise InputError(f"platform.checkpoints is {root!r}: give a folder, or an address such as s3://bucket/prefix")
    from darkroom.runtime.bucket import Bucket  # s3fs takes a second to import

    with tempfile.TemporaryDirectory(prefix="darkroom-") as temporary:
        prefix = f"{(match['prefix'] or '').strip('/')}/{name}"
        with contextlib.closing(Bucket(match["bucket"], prefix, Path(temporary))) as bucket:
            bucket.fetch()
            yield Path(temporary), bucket.send
            bucket.remove()


@contextmanager
def locked_folder(folder: Path) -> Iterator[Path]:
    """Makes a folder for checkpoints and locks it; removes it when the block ends without an error.

    A process that is killed loses the lock at once and leaves the folder, from which the next one resumes. Where another process
    has locked the folder, this one waits.

    Args:
        folder: Where the checkpoints are; its name should say which inputs, settings and code they belong to.

    Yields:
        The folder, which now exists.
    """
    lock = _acquire(folder)
    try:
        yield folder
        _remove(folder)
    finally:
        lock.release()


def _acquire(folder: Path) -> "FileLock":
    announced = False
    while True:
        try:
            if lock := acquire(folder / LOCK) if announced else try_acquire(folder / LOCK):
                return lock
        except FileNotFoundError:
            continue  # the process that had the lock has finished and removed the folder
        print(f"waiting: another process works on the same inputs and holds {folder}", flush=True)
        announced = True


def _remove(folder: Path) -> None:
    renamed = folder.with_name(f".{folder.name}.{os.getpid()}.gone")  # a waiting process must not find half a folder
    folder.rename(renamed)
    shutil.rmtree(renamed)
