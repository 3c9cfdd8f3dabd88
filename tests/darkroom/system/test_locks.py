import subprocess
import sys
import time
from pathlib import Path

import pytest

from darkroom.system.errors import InputError
from darkroom.system.locks import hold_run, is_held, wait_for

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from darkroom.system.locks import hold_run, wait_for
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


def test_a_run_is_held_by_one_process_until_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "3f2a3f2a3f2a"
    process = holder(f"hold_run(Path({str(folder)!r}))", 600)
    try:
        assert is_held(folder)
        with pytest.raises(InputError, match="run 3f2a3f2a is in progress"), hold_run(folder):
            pass
    finally:
        process.kill()
        process.communicate()
    assert not is_held(folder)
    with hold_run(folder):
        assert is_held(folder)
    assert not is_held(tmp_path / "never")


def test_who_does_the_same_waits_and_is_told_for_whom(tmp_path: Path) -> None:
    lock, told = tmp_path / "locks" / "same", list[str]()
    process = holder(f"wait_for(Path({str(lock)!r}), 'process 7', print)", 1.0)
    start = time.monotonic()
    with wait_for(lock, "process 8", told.append):
        waited = time.monotonic() - start
    process.communicate()
    assert told == ["process 7 does the same: waiting until it has ended"]
    assert waited > 0.5
    with wait_for(lock, "process 9", told.append):
        assert len(told) == 1
