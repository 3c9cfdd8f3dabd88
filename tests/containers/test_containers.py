"""How containers end, on a real engine: nothing here needs the image of the components."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from docker.types import Mount

from pipelines.run.containers import Limits, run_container, run_step

pytestmark = pytest.mark.slow

LIMITS = Limits(64 * 2**20, 8 * 2**20)
PATIENCE_S = 20


def step(engine: DockerClient, base: str, folder: Path, script: str, **options: Any) -> tuple[bool, str]:
    """Runs a script as a step whose outputs stand in `folder`; returns whether it succeeded, and the reason if not."""
    output = folder / "executor_output.json"
    described = json.dumps({"outputs": {"outputFile": str(output)}})
    command = ["sh", "-c", script.replace("OUTPUT", str(output)), "sh", "--executor_input", described]
    mounts = [Mount(str(folder), str(folder), type="bind")]
    limits = {"mem_limit": LIMITS.memory_bytes, "memswap_limit": LIMITS.memory_bytes, "shm_size": LIMITS.shared_memory_bytes}
    done = run_step(engine, base, command, LIMITS, mounts=mounts, **limits, **options)
    error = folder / "error.json"
    return done, json.loads(error.read_text())["message"] if error.exists() else ""


def remaining(engine: DockerClient, label: str) -> list[str]:
    return [container.short_id for container in engine.containers.list(all=True, filters={"label": label})]


def test_every_line_and_the_status_arrive_however_short_the_container_lives(engine: DockerClient, base: str) -> None:
    for number in range(5):
        lines: list[str] = []
        script = f"echo first; echo 'zweite Zeile: äöü' >&2; printf last; exit {number}"
        exit_state = run_container(engine, base, ["sh", "-c", script], lines.append, labels={"darkroom.test": "short"})
        assert (exit_state.status, exit_state.out_of_memory) == (number, False)
        assert sorted(lines) == ["first", "last", "zweite Zeile: äöü"]
    assert remaining(engine, "darkroom.test=short") == []


def test_a_step_that_described_its_outputs_succeeded(engine: DockerClient, base: str, tmp_path: Path) -> None:
    assert step(engine, base, tmp_path, "echo '{}' > OUTPUT") == (True, "")


def test_an_earlier_description_does_not_answer_for_a_later_try(engine: DockerClient, base: str, tmp_path: Path) -> None:
    (tmp_path / "executor_output.json").write_text("{}")
    done, reason = step(engine, base, tmp_path, "exit 0")
    assert (done, reason) == (False, "it ended with status 0 but left no executor_output.json: it did not get to its end")


def test_a_step_that_ends_with_another_status_failed(engine: DockerClient, base: str, tmp_path: Path) -> None:
    assert step(engine, base, tmp_path, "echo '{}' > OUTPUT; exit 3") == (False, "")


def test_a_killed_step_failed_and_names_the_signal(engine: DockerClient, base: str, tmp_path: Path) -> None:
    script = "python3 -c 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'"
    assert step(engine, base, tmp_path, script) == (False, "its container was killed by SIGKILL (exit status 137)")


def test_want_of_memory_is_named_with_the_limit(engine: DockerClient, base: str, tmp_path: Path) -> None:
    done, reason = step(engine, base, tmp_path, "python3 -c 'bytearray(200 * 2**20)'")
    assert not done
    assert reason.startswith("out of memory: the kernel killed it at its limit of 64 MiB (platform.memory_limit)")


def test_want_of_memory_in_a_process_of_the_step_is_named_too(engine: DockerClient, base: str, tmp_path: Path) -> None:
    said = '{"kind": "internal", "type": "RuntimeError", "message": "a worker is gone"}'
    script = f"python3 -c 'bytearray(200 * 2**20)'; echo '{said}' > {tmp_path}/error.json; exit 1"
    done, reason = step(engine, base, tmp_path, script)
    assert not done
    assert reason.startswith("out of memory: ")
    assert reason.endswith("the step reported RuntimeError: a worker is gone")


def test_a_full_shared_memory_is_named_with_its_size(engine: DockerClient, base: str, tmp_path: Path) -> None:
    script = """python3 -c '
import mmap
file = open("/dev/shm/full", "w+b")
file.truncate(16 * 2**20)
mmap.mmap(file.fileno(), 16 * 2**20).write(bytes(16 * 2**20))'"""
    done, reason = step(engine, base, tmp_path, script)
    assert (done, reason) == (False, "a bus error, as when /dev/shm is full: it has 8 MiB (platform.shared_memory_gib)")


def test_what_the_engine_refuses_is_the_reason(engine: DockerClient, base: str, tmp_path: Path) -> None:
    done, reason = step(engine, "darkroom-no-such-image", tmp_path, "exit 0")
    assert not done
    assert reason.startswith("the Docker engine gave it up: ")
    assert "darkroom-no-such-image" in reason


FOLLOWS = """
import sys
from docker import from_env
from pipelines.run.containers import run_container
image, script, label = sys.argv[1:]
run_container(from_env(), image, ["python3", "-c", script], lambda line: print(line, flush=True), labels={"darkroom.test": label})
"""


@pytest.mark.parametrize(
    ("how", "ends"),
    [
        pytest.param(signal.SIGKILL, "os.read(0, 1)", id="a killed parent ends the container's input"),
        pytest.param(signal.SIGINT, "time.sleep(1000)", id="an interrupted parent ends the container"),
    ],
)
def test_no_container_outlives_its_parent(engine: DockerClient, base: str, how: signal.Signals, ends: str) -> None:
    label = f"{how.name}-{os.getpid()}"
    program = f"import os, time; print('waits', flush=True); {ends}"
    command = [sys.executable, "-c", FOLLOWS, base, program, label]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"waits\n"
        assert len(remaining(engine, f"darkroom.test={label}")) == 1
        parent.send_signal(how)
    deadline = time.monotonic() + PATIENCE_S
    while remaining(engine, f"darkroom.test={label}") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert remaining(engine, f"darkroom.test={label}") == []
