import subprocess
import sys
import time
from pathlib import Path

import pytest

from darkroom.system.errors import InputError
from darkroom.system.locks import is_locked, lock_run, locked

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from darkroom.system.locks import lock_run, locked
with {block}:
    print("held", flush=True)
    time.sleep({seconds})
"""


def holder(block: str, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(block=block, seconds=seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_run_is_locked_by_one_process_until_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "3f2a3f2a3f2a"
    process = holder(f"lock_run(Path({str(folder)!r}))", 600)
    try:
        assert is_locked(folder)
        with pytest.raises(InputError, match="run 3f2a3f2a is in progress"), lock_run(folder):
            pass
    finally:
        process.kill()
        process.communicate()
    assert not is_locked(folder)
    with lock_run(folder):
        assert is_locked(folder)
    assert not is_locked(tmp_path / "never")


def test_who_does_the_same_waits_and_is_told_for_whom(tmp_path: Path) -> None:
    lock, told = tmp_path / "locks" / "same", list[str]()
    process = holder(f"locked(Path({str(lock)!r}), 'process 7', print)", 1.0)
    start = time.monotonic()
    with locked(lock, "process 8", told.append):
        waited = time.monotonic() - start
    process.communicate()
    assert told == ["process 7 does the same: waiting until it has ended"]
    assert waited > 0.5
    with locked(lock, "process 9", told.append):
        assert len(told) == 1
