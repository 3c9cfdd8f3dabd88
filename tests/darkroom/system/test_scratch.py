"""Large arrays for a while: in a file or in memory, with the same values."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from darkroom.system import scratch as module
from darkroom.system.errors import InputError
from darkroom.system.scratch import NoRoomError, scratch, taken


def is_mapped(values: np.ndarray) -> bool:
    return values.base is not None


@pytest.mark.parametrize("can_reserve", [True, False])
@pytest.mark.parametrize(("in_memory", "mapped"), [(23, True), (24, False)])
def test_a_large_array_is_a_file_that_nobody_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, mapped: bool, can_reserve: bool
) -> None:
    if not can_reserve:
        monkeypatch.delattr("os.posix_fallocate", raising=False)
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


def test_a_file_that_cant_be_reserved_needs_room_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    monkeypatch.delattr("os.posix_fallocate", raising=False)
    for free, mapped in ((40, True), (39, False)):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        assert is_mapped(scratch((5,), np.int64)) == mapped


def test_a_container_without_memory_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "IN_MEMORY", 0)
    monkeypatch.setattr(module, "reserve", full)
    monkeypatch.setattr("darkroom.system.memory.left_in_groups", lambda: 39.0)
    assert scratch((4,), np.int64).tolist() == [0] * 4
    with pytest.raises(NoRoomError):
        scratch((5,), np.int64)


@pytest.mark.parametrize("in_memory", [0, 10**6])
def test_rows_are_taken_as_numpy_takes_them(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", in_memory)
    monkeypatch.setattr(module, "_BLOCK", 3)
    matrix = np.arange(60, dtype=np.uint8).reshape(10, 2, 3)
    rows = np.array([9, 0, 0, 4, 2, 7, 1])
    assert (taken(matrix, rows) == matrix[rows]).all()
    assert taken(matrix, rows[:0]).shape == (0, 2, 3)
