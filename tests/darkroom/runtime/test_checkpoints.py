"""A folder for unfinished work that one process holds at a time."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from darkroom.runtime import checkpoints
from darkroom.runtime.checkpoints import locked_folder

HOLDER = """
import sys, time
from pathlib import Path
from darkroom.runtime.checkpoints import locked_folder
with locked_folder(Path(sys.argv[1])) as folder:
    (folder / "state").write_text("half")
    print("held", flush=True)
    sys.stdin.readline()
"""


def start_holder(folder):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_folder_is_made_and_goes_when_the_work_is_done(tmp_path):
    with locked_folder(tmp_path / "a" / "b") as folder:
        (folder / "state").write_text("half")
    assert list((tmp_path / "a").iterdir()) == []


def test_work_that_fails_leaves_its_folder_for_the_next(tmp_path):
    with pytest.raises(ValueError), locked_folder(tmp_path / "a") as folder:
        (folder / "state").write_text("half")
        raise ValueError
    with locked_folder(tmp_path / "a") as folder:
        assert (folder / "state").read_text() == "half"


def test_a_killed_process_holds_nothing_any_more(tmp_path):
    process = start_holder(tmp_path / "a")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with locked_folder(tmp_path / "a") as folder:
        assert (folder / "state").read_text() == "half"


def test_a_second_process_waits_and_then_starts_with_an_empty_folder(tmp_path, capsys):
    process = start_holder(tmp_path / "a")
    seen = []

    def wait():
        with locked_folder(tmp_path / "a") as folder:
            seen.extend(path.name for path in folder.iterdir())

    waiter = threading.Thread(target=wait)
    waiter.start()
    waiter.join(0.3)
    assert waiter.is_alive()
    process.communicate("done\n")
    waiter.join(20)
    assert seen == [checkpoints.LOCK]
    assert f"waiting: another process works on the same inputs and holds {tmp_path / 'a'}" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
