"""Mapped files, whose pages count as a process's memory once they have been used: above a limit they are handed back.

They stay in the system's cache, what was written into them as well, and are taken from there where they are asked for again. Without that
a step that goes through millions of rows looks as large as its files, to whoever evicts what is too large, such as a cluster's node. What
malloc keeps of freed memory (`darkroom.system.cores`) is handed back with them.

Files are mapped by the system's own call, as Python's `mmap` keeps a file descriptor for each: a store of a million images has a
thousand shards, and a process may have no more descriptors than that.
"""

import contextlib
import ctypes
import math
import mmap
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

LIMIT = 2**29  # bytes of files that a process has resident, beside what it had before
_POLL_S, _PAUSE_S = 0.05, 0.25  # the longer one after what was handed back has been asked for again
_TRIM_S = 10.0  # between two times that freed memory is handed back unasked: a training needs it again in its next step
_STATM, _SMAPS = Path("/proc/self/statm"), Path("/proc/self/smaps")
_FAILED = ctypes.c_void_p(-1).value
_lock = threading.Lock()
_known = weakref.WeakValueDictionary[int, Any]()  # regions by their addresses; one is unmapped when nothing reads it any more


def mapped(descriptor: int, *, writable: bool = False) -> memoryview:
    """An open file, whole, as memory; its pages are handed back, see `handing_back`.

    Args:
        descriptor: Of the file, which is not empty; it may be closed then.
        writable: Whether the memory can be changed, and the file with it.

    Raises:
        OSError: It can't be mapped.
    """
    if sys.platform != "linux":
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ))
    size, access = os.fstat(descriptor).st_size, mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    address = _system().mmap(None, size, access, mmap.MAP_SHARED, descriptor, 0)
    if address == _FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    region = (ctypes.c_char * size).from_address(address)
    weakref.finalize(region, _system().munmap, address, size).atexit = False  # whoever still reads it then must not fail
    with _lock:
        _known[address] = region
    view = memoryview(region).cast("B")
    return view if writable else view.toreadonly()


def arrow_source(path: Path) -> pa.NativeFile:
    """A file for Arrow's readers, which copy nothing from it.

    Raises:
        OSError: There is no such file.
    """
    if sys.platform != "linux":
        return pa.memory_map(str(path))
    with path.open("rb") as file:
        return pa.BufferReader(pa.py_buffer(mapped(file.fileno()) if os.fstat(file.fileno()).st_size else b""))


@contextlib.contextmanager
def handing_back(limit: int = LIMIT) -> Iterator[None]:
    """While this lasts, pages of files that `mapped` made are handed back whenever the process has more than the limit of them.

    Args:
        limit: Bytes of files that may be resident, beside those that are when this begins.
    """
    if sys.platform != "linux":
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(_resident(), limit, done), name="handing-back", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def hand_back(*, freed: bool = True) -> None:
    """Hands back the pages of all files that `mapped` made: at once, as where a search has left much behind it.

    Args:
        freed: Also memory that was freed and that malloc keeps.
    """
    if sys.platform != "linux":
        return
    with _lock:
        regions = list(_known.values())  # none is unmapped while it is in this list
    if freed and hasattr(_system(), "malloc_trim"):  # of glibc
        _system().malloc_trim(0)
    for region in regions:  # last, as pages that are in use are back soon
        _system().madvise(ctypes.addressof(region), len(region), mmap.MADV_DONTNEED)


def _watch(before: int, limit: int, done: threading.Event) -> None:
    trimmed = -math.inf
    while not done.wait(_POLL_S):
        if (found := _resident()) > before + limit:
            is_due = time.monotonic() >= trimmed + _TRIM_S
            hand_back(freed=is_due)
            trimmed = time.monotonic() if is_due else trimmed
            if found - (rest := _resident()) < limit / 2:  # libraries stay, and what is in use is back at once
                before = rest - _resident_of_regions()
                done.wait(_PAUSE_S)


def _resident() -> int:
    """Bytes of files that this process has resident."""
    return int(_STATM.read_text(encoding="ascii").split()[2]) * os.sysconf("SC_PAGE_SIZE")


def _resident_of_regions() -> int:
    """Bytes of the regions in `_known` that are resident; 0 where the system does not say that."""
    with _lock:
        starts = {b"%x" % address for address in _known}
    total, is_ours = 0, False
    try:
        lines = _SMAPS.read_bytes().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(b"Rss:"):
            total += is_ours * int(line.split()[1]) * 1024
        elif not line[:1].isupper():  # it begins with the addresses of the next mapping
            is_ours = line.partition(b"-")[0] in starts
    return total


@cache
def _system() -> ctypes.CDLL:
    """The C library, with the calls that are used here."""
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim.argtypes = (ctypes.c_size_t,)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return library
