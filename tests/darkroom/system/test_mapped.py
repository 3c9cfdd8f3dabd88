"""Mapped files: their pages leave the process above a limit, and what is in them stays."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from darkroom.system import mapped as mapped_files
from darkroom.system.mapped import arrow_source, handing_back, mapped
from darkroom.system.scratch import scratch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process has resident, and takes it back")
LARGE = 2**27 + 8


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[2]) * os.sysconf("SC_PAGE_SIZE")


def falls_below(limit: int) -> bool:
    deadline = time.monotonic() + 20
    while resident() > limit and time.monotonic() < deadline:
        time.sleep(0.01)
    return resident() <= limit


@LINUX
def test_pages_leave_above_the_limit_and_nothing_is_lost() -> None:
    before = resident()
    values = scratch((LARGE // 8,), np.int64)
    with handing_back(2**25):
        values[:] = np.arange(len(values))
        assert falls_below(before + 2**26)
        assert (values == np.arange(len(values))).all()
        values[::7] = -1
        assert falls_below(before + 2**26)
    expected = np.arange(len(values))
    expected[::7] = -1
    assert (values == expected).all()


@LINUX
def test_pages_stay_below_the_limit_and_after_the_end() -> None:
    before = resident()
    with handing_back(2**30):
        values = scratch((LARGE // 8,), np.int64)
        values[:] = 1
        time.sleep(0.2)
        assert resident() > before + LARGE // 2
    with handing_back(2**20):
        pass
    values[:] = 2
    assert resident() > before + LARGE // 2


_FREED = """
from pathlib import Path
from darkroom.system.cores import share_cores
share_cores()  # from here on malloc keeps what is freed, as in every step
import numpy as np
from darkroom.system.mapped import handing_back
from darkroom.system.scratch import scratch
import time
def own():
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) // 1024
before = own()
parts = [np.ones(2**17) for _ in range(400)]
parts = parts[::20]
kept, deadline = own() - before, time.monotonic() + 20
with handing_back(2**25):
    values = scratch((2**24,), np.int64)
    values[:] = 1
    while own() - before > 100 and time.monotonic() < deadline:
        time.sleep(0.01)
print(kept, own() - before)
"""


@LINUX
def test_what_malloc_keeps_is_handed_back_with_the_pages_of_files() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    done = subprocess.run([sys.executable, "-c", _FREED], capture_output=True, text=True, check=True, env=plain)
    kept, left = map(int, done.stdout.split())
    assert (kept > 300, left <= 100) == (True, True), f"{kept} MB of freed memory, then {left}"


@LINUX
def test_pages_leave_also_where_the_system_does_not_say_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_files, "_SMAPS", Path("/proc/self/no-such-file"))
    with monkeypatch.context() as patched:
        patched.setattr(mapped_files, "_known", {})
        others = scratch((LARGE // 8,), np.int64)  # as what a library maps: it stays
    with handing_back(2**25):
        others[:] = 1
        time.sleep(0.5)
        before = resident()
        values = scratch((LARGE // 8,), np.int64)
        values[:] = 1
        assert falls_below(before + 2**26)
    assert (others == 1).all()


def test_arrow_reads_a_mapped_file_without_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "file.arrow"
    table = pa.table({"number": list(range(1000))})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    before = pa.total_allocated_bytes()
    found = pa.ipc.open_file(arrow_source(path)).read_all()
    assert (found.equals(table), pa.total_allocated_bytes()) == (True, before)
    path.unlink()
    assert found.equals(table)


@LINUX
def test_mapped_files_take_no_descriptors_and_are_unmapped_when_nothing_reads_them(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 64)

    def state() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), Path("/proc/self/maps").read_text().count(str(tmp_path / "file"))

    before = state()
    sources = [arrow_source(tmp_path / "file") for _ in range(20)]
    arrays = [np.frombuffer(source.read_buffer(), np.uint8) for source in sources]
    assert state() == (before[0], before[1] + 20)
    del sources
    assert [int(array[255]) for array in arrays] == [255] * 20
    del arrays
    assert state() == before


def test_an_empty_file_is_no_table_and_a_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(pa.ArrowInvalid):
        pa.ipc.open_file(arrow_source(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="missing"):
        arrow_source(tmp_path / "missing")


def test_only_what_is_writable_can_be_changed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcd")
    with (tmp_path / "file").open("r+b") as file:
        mapped(file.fileno(), writable=True)[1:3] = b"xy"
        with pytest.raises(TypeError, match="modify"):
            mapped(file.fileno())[0] = 0
    assert (tmp_path / "file").read_bytes() == b"axyd"
