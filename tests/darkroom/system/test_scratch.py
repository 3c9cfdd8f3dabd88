"""Large arrays for a while: in a file or in memory, with the same values."""

import os
from pathlib import Path

import numpy as np
import pytest

from darkroom.system import scratch as module
from darkroom.system.errors import InputError
from darkroom.system.scratch import scratch, taken


def is_mapped(values: np.ndarray) -> bool:
    return values.base is not None


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system can't reserve a file's bytes")
@pytest.mark.parametrize(("in_memory", "mapped"), [(23, True), (24, False)])
def test_a_large_array_is_a_file_that_nobody_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, mapped: bool) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", in_memory)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = scratch((2, 3), np.float32)
    assert (is_mapped(found), found.tolist(), list(tmp_path.iterdir())) == (mapped, [[0.0] * 3] * 2, [])
    found[1] = 4
    assert found.sum() == 12


def test_where_the_disk_is_full_it_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "IN_MEMORY", 0)
    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    found = scratch((5,), np.int64)
    assert not is_mapped(found)
    assert found.tolist() == [0] * 5
    with pytest.raises(
        InputError, match=r"no room for 1,000,000\.0 GB of a scratch file under .* \(No space left on device\), nor in memory: free"
    ):
        scratch((10**15,), np.uint8)


@pytest.mark.parametrize("in_memory", [0, 10**6])
def test_rows_are_taken_as_numpy_takes_them(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", in_memory)
    monkeypatch.setattr(module, "_BLOCK", 3)
    matrix = np.arange(60, dtype=np.uint8).reshape(10, 2, 3)
    rows = np.array([9, 0, 0, 4, 2, 7, 1])
    assert (taken(matrix, rows) == matrix[rows]).all()
    assert taken(matrix, rows[:0]).shape == (0, 2, 3)
