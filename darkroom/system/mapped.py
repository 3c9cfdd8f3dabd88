"""Mapped files, whose pages count as a process's memory once they have been used: above a limit they are handed back.

They stay in the system's cache, what was written into them as well, and are taken from there where they are asked for again. Without that
a step that goes through millions of rows looks as large as its files, to whoever evicts what is too large, such as a cluster's node.
"""

import contextlib
import mmap
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

LIMIT = 2**30  # bytes of files that a process has resident, beside what it had before
_POLL_S = 0.05
_STATM = Path("/proc/self/statm")
_lock = threading.Lock()
_known = weakref.WeakSet[mmap.mmap]()


def mapped(descriptor: int, *, writable: bool = False) -> mmap.mmap:
    """An open file, whole, as memory; its pages are handed back, see `handing_back`.

    Args:
        descriptor: Of the file, which is not empty; it may be closed then.
        writable: Whether the memory can be changed, and the file with it.
    """
    memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    with _lock:
        _known.add(memory)
    return memory


def arrow_source(path: Path) -> pa.BufferReader:
    """A file for Arrow's readers, which copy nothing from it.

    Raises:
        OSError: There is no such file.
    """
    with path.open("rb") as file:
        return pa.BufferReader(pa.py_buffer(mapped(file.fileno()) if path.stat().st_size else b""))


@contextlib.contextmanager
def handing_back(limit: int = LIMIT) -> Iterator[None]:
    """While this lasts, pages of files that `mapped` made are handed back whenever the process has more than the limit of them.

    Args:
        limit: Bytes of files that may be resident, beside those that are when this begins.
    """
    if not _STATM.exists() or not hasattr(mmap, "MADV_DONTNEED"):  # not Linux
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(limit, done), name="handing-back", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(limit: int, done: threading.Event) -> None:
    before = _resident()
    while not done.wait(_POLL_S):
        if _resident() > before + limit:
            _hand_back()
            before = max(before, _resident())  # libraries, and what others map, stay


def _hand_back() -> None:
    with _lock:
        maps = list(_known)
    for memory in maps:
        with contextlib.suppress(ValueError):  # it has been closed
            memory.madvise(mmap.MADV_DONTNEED)


def _resident() -> int:
    """Bytes of files that this process has resident."""
    return int(_STATM.read_text(encoding="ascii").split()[2]) * os.sysconf("SC_PAGE_SIZE")
