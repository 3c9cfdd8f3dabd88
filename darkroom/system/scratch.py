"""Large arrays that a step needs for a while: in files without a name, which the system can write out where memory is short."""

import errno
import math
import os
import shutil
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from darkroom.system.errors import InputError
from darkroom.system.mapped import mapped
from darkroom.system.memory import available_memory

IN_MEMORY = 2**26  # bytes up to which an array is in memory alone
_BLOCK = 4_096  # rows


class NoRoomError(InputError):
    """Neither the disk nor the memory has room for an array."""


def scratch(shape: tuple[int, ...], kind: npt.DTypeLike, in_memory: int | None = None) -> npt.NDArray[Any]:
    """Zeros of any shape; a large array lies in a mapped file, which is gone with it, if the disk has room for that, else in memory.

    Args:
        shape: Of the array.
        kind: Of its values.
        in_memory: Bytes up to which it is in memory; `IN_MEMORY` where nothing is said.

    Raises:
        NoRoomError: Neither the disk nor the memory has room for it.
    """
    size = math.prod(shape) * np.dtype(kind).itemsize
    if size > (IN_MEMORY if in_memory is None else in_memory):
        try:
            with tempfile.TemporaryFile(prefix="darkroom-") as file:
                reserve(file.fileno(), size)
                return np.ndarray(shape, kind, mapped(file.fileno(), writable=True))
        except OSError as error:
            _require_memory(size, str(error.strerror))
    return np.zeros(shape, kind)


def reserve(descriptor: int, size: int) -> None:
    """Makes an empty file as large as that, all of it on the disk: a full disk would end the process later, when it is written to.

    Where a system can't reserve a file's bytes (macOS), the disk has room for them now.

    Raises:
        OSError: The disk has no room for it.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif size > shutil.disk_usage(descriptor).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    else:
        os.ftruncate(descriptor, size)


def _require_memory(size: int, problem: str) -> None:
    if size > available_memory():
        wanted = f"{size / 1e9:,.1f} GB of a scratch file under {tempfile.gettempdir()} ({problem}), nor in memory"
        raise NoRoomError(f"there is no room for {wanted}: free some there, or name another folder in TMPDIR")


def taken(matrix: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Some rows of a matrix, a copy that may be large.

    Args:
        matrix: `(N, ...)`.
        rows: `(M,)`.

    Returns:
        `(M, ...)`.
    """
    found = scratch((len(rows), *matrix.shape[1:]), matrix.dtype)
    for start in range(0, len(rows), _BLOCK):
        found[start : start + _BLOCK] = matrix[rows[start : start + _BLOCK]]
    return found
