"""How a container's exit_state becomes a reason, and its output lines; `tests/containers` has real containers."""

import json
import socket
import struct
import threading
from pathlib import Path

import docker
import pytest

from pipelines.run import containers
from pipelines.run.containers import ContainerExit, Limits, run_step

LIMITS = Limits(512 * 2**20, 2 * 2**30)


@pytest.mark.parametrize(
    ("status", "out_of_memory", "limits", "said", "complete", "expected"),
    [
        (0, False, LIMITS, "", True, ""),
        (0, True, LIMITS, "", True, ""),
        (0, False, LIMITS, "", False, "it ended with status 0 but left no executor_output.json: it did not get to its end"),
        (1, False, LIMITS, "ValueError: x", False, ""),
        (1, False, LIMITS, "", False, ""),
        (143, False, LIMITS, "", False, "its container was killed by SIGTERM (exit status 143)"),
        (255, False, LIMITS, "", False, "its container was killed by signal 127 (exit status 255)"),
        (135, False, LIMITS, "", True, "a bus error, as when /dev/shm is full: it has 2 GiB (platform.shared_memory_gib)"),
        (137, True, LIMITS, "", False,
         "out of memory: the kernel killed it at its limit of 512 MiB (platform.memory_limit): "
         "raise it, or give the step less to do at once (train.batch_size)"),
        (1, True, Limits(0, 2**30), "RuntimeError: a worker is gone", False,
         "out of memory: the kernel killed it at the machine's memory: "
         "raise it, or give the step less to do at once (train.batch_size); the step reported RuntimeError: a worker is gone"),
    ],
)  # fmt: skip
def test_an_ending_has_a_reason(status: int, out_of_memory: bool, limits: Limits, said: str, complete: bool, expected: str) -> None:
    assert containers._reason(ContainerExit(status, out_of_memory), limits, said, complete=complete) == expected


def test_lines_of_two_streams_are_kept_apart_and_whole() -> None:
    text = "größer".encode()
    frames = [(1, b"first\nsec"), (2, b"warning\n"), (1, b"ond "), (1, text[:3]), (1, text[3:] + b"\n"), (2, b"no end")]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for stream, data in frames:
            theirs.sendall(struct.pack(">BxxxL", stream, len(data)) + data)
        theirs.shutdown(socket.SHUT_WR)
        lines: list[str] = []
        containers._forward_lines(ours, lines.append)
    assert lines == ["first", "warning", "second größer", "no end"]


def test_an_engine_that_is_gone_fails_the_step_with_that_reason(tmp_path: Path) -> None:
    (tmp_path / "executor_output.json").write_text("{}")
    described = json.dumps({"outputs": {"outputFile": str(tmp_path / "executor_output.json")}})
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(tmp_path / "engine.sock"))
        engine.listen()

        def hang_up() -> None:
            connection, _ = engine.accept()
            connection.close()

        answering = threading.Thread(target=hang_up)
        answering.start()
        client = docker.DockerClient(base_url=f"unix://{tmp_path}/engine.sock", version="1.41")
        assert not run_step(client, "sha256:1", ["python", "--executor_input", described], LIMITS)
        client.close()
        answering.join()
    error = json.loads((tmp_path / "error.json").read_text())
    assert error["kind"] == "internal"
    assert error["message"].startswith("the Docker engine gave it up: ")
    assert not (tmp_path / "executor_output.json").exists()
