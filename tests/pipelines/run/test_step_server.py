"""The process from which a run's steps are forked."""

import contextlib
import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipelines.run.step_server import StepServer

pytestmark = pytest.mark.slow  # a server takes as long to start as many tests; `test_run` runs its steps in one


@pytest.fixture(scope="module")
def server() -> Iterator[StepServer]:
    one = StepServer()
    yield one
    one.close()


def run(server: StepServer, body: str, place: Path, **environment: str) -> int:
    """Runs a task with this body as kfp would."""
    source = f"import os, signal, sys\nfrom pathlib import Path\n\ndef task():\n    {body}\n"
    given = json.dumps({"outputs": {"outputFile": str(place / "outputs.json")}})
    return server.run(["sh", "-c", "", source, "--executor_input", given, "--function_to_execute", "task"], environment)


def test_a_step_is_a_process_of_its_own_with_the_environment_of_its_task(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ROOM", "of the run")
    monkeypatch.chdir(tmp_path)
    body = "print(os.getpid(), os.environ['ROOM'], os.environ['TASK'], Path.cwd(), sys.stdin.read() == '')"
    assert run(server, body, tmp_path, TASK="of the task") == 0
    first = capsys.readouterr().out
    assert f"of the run of the task {tmp_path} True" in first
    assert run(server, body, tmp_path, TASK="of the task") == 0
    second = capsys.readouterr().out
    assert len({text.split(" of the run")[0].split()[-1] for text in (first, second)} | {str(os.getpid())}) == 3


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ("raise ValueError('no luck')", 1, "ValueError: no luck"),
        ("print('on the way', flush=True); os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, "on the way"),
        ("print('half a line', end='', flush=True); os._exit(7)", 7, "half a line"),
    ],
    ids=["raises", "is killed", "leaves"],
)
def test_a_step_that_fails_has_its_status_and_the_next_one_runs(server, tmp_path, capsys, body, status, told):
    assert run(server, body, tmp_path) == status
    assert told in capsys.readouterr().out
    assert run(server, "print('well')", tmp_path) == 0
    assert "well" in capsys.readouterr().out


def test_what_a_step_leaves_to_its_end_is_done(server, tmp_path, capsys):
    body = (
        "import atexit, threading, time; atexit.register(lambda: print('at the end')); "
        "threading.Thread(target=lambda: (time.sleep(0.2), print('in a thread'))).start(); "
        "threading.Thread(target=lambda: time.sleep(600), daemon=True).start()"
    )
    assert run(server, body, tmp_path) == 0
    told = capsys.readouterr().out
    assert told.index("in a thread") < told.index("at the end")


def test_a_server_that_was_killed_fails_the_step_and_nothing_waits(tmp_path):
    before = set(psutil.Process().children())
    server = StepServer()
    (process,) = set(psutil.Process().children()) - before
    process.kill()
    assert run(server, "print('never')", tmp_path) == 1
    server.close()


def test_a_step_whose_output_can_t_be_kept_ends_with_its_server(server, tmp_path, monkeypatch):  # the last one: it closes the server
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            if "on the way" in text:  # the step has begun by now; a warning of a library may stand before it
                raise OSError("no space left on device")
            return len(text)

    started = tmp_path / "started"
    body = f"Path({str(started)!r}).write_text(str(os.getpid())); print('on the way', flush=True); signal.pause()"
    monkeypatch.setattr("sys.stdout", Full())
    with contextlib.closing(server):
        with pytest.raises(OSError, match="no space"):
            run(server, body, tmp_path)
        step = psutil.Process(int(started.read_text()))
    step.wait(timeout=30)
