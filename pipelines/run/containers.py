"""One step in one container of a Docker engine: its output from the first line to the last, and the reason if it fails.

kfp's own handler of containers asks an engine how a container ended after the engine has removed it, and takes one that
is removed for a success. Here the connection is made before the container starts, carries its input and its output, and the
engine's events say how it ended. The container's standard input ends with this process, however it ends, and the step
ends with its standard input (see `darkroom.runtime.step.follow_owner`).
"""

import codecs
import contextlib
import json
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException
from docker.utils.socket import frames_iter

from darkroom.runtime.step import ERROR_FILE
from darkroom.system.files import read_json, write_json

ENGINE_ERRORS = (DockerException, OSError)  # the second also where the connection broke
_FIRST_EVENT = 1  # seconds since 1970: all that the engine remembers
_LATE_EVENT_S = 0.5  # the event that memory ran out may arrive after that of the end
_END_S = 60  # how long the engine may take from a container's last line to its end
_REMOVAL_S = 20


@dataclass(frozen=True)
class Limits:
    """What a container may use.

    Attributes:
        memory_bytes: Memory above which it is killed; 0 for no limit.
        shared_memory_bytes: Size of its /dev/shm, which counts as memory.
    """

    memory_bytes: int
    shared_memory_bytes: int


@dataclass(frozen=True)
class ContainerExit:
    """How a container ended.

    Attributes:
        status: Its exit status, 128 and the signal's number where a signal ended it.
        out_of_memory: Whether the kernel killed a process in it because memory ran out.
    """

    status: int
    out_of_memory: bool


def run_container(
    client: docker.DockerClient, image: str, command: Sequence[str], on_line: Callable[[str], None], **options: Any
) -> ContainerExit:
    """Runs a command in a container of its own, which is removed when this returns or raises.

    Args:
        client: The engine.
        image: The image, by id or digest.
        command: Program and arguments.
        on_line: Is given each line that the command prints.
        **options: What `docker.containers.create` takes.

    Raises:
        DockerException: The engine refused, or went away; also `OSError` (`ENGINE_ERRORS`).
    """
    container = client.containers.create(image, list(command), stdin_open=True, auto_remove=True, **options)
    try:
        connection = client.api.attach_socket(container.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        try:
            container.start()
            _forward_lines(connection, on_line)
        finally:
            socket = getattr(connection, "_sock", connection)  # what wraps the socket would leave it open
            connection.close()
            socket.close()
        return _exit_of(client, container.id)
    finally:
        with contextlib.suppress(*ENGINE_ERRORS):  # where it ended by itself, the engine removes it
            container.remove(force=True)
        with contextlib.suppress(*ENGINE_ERRORS):
            container.wait(condition="removed", timeout=_REMOVAL_S)


def run_step(client: docker.DockerClient, image: str, command: Sequence[str], limits: Limits, **options: Any) -> bool:
    """Runs a step as kfp commands it, and writes the reason beside its outputs where the step itself could not.

    Args:
        client: The engine.
        image: The image, by id or digest.
        command: kfp's command, with the step's input in it.
        limits: What the options allow, for the reason's sake.
        **options: What `docker.containers.create` takes.

    Returns:
        Whether the step succeeded: it ended with status 0 and left kfp's description of its outputs.
    """
    output = _output_file(command)
    output.unlink(missing_ok=True)  # an earlier try must not answer for this one
    error = output.parent / ERROR_FILE
    try:
        exit_state = run_container(client, image, command, print, **options)
    except ENGINE_ERRORS as failure:
        write_json(error, _error(f"the Docker engine gave it up: {one_line(failure)}"))
        return False
    step_message = _step_error(error)
    reason = _reason(exit_state, limits, step_message, complete=output.is_file())
    if reason:
        write_json(error, _error(reason))
    return exit_state.status == 0 and not reason


def one_line(error: Exception) -> str:
    """What the engine says, in one line."""
    explanation = getattr(error, "explanation", None) if isinstance(error, APIError) else None
    return " ".join(str(explanation or error).split())[:400]


def _forward_lines(connection: Any, on_line: Callable[[str], None]) -> None:
    decode = codecs.getincrementaldecoder("utf-8")
    streams = defaultdict[int, codecs.IncrementalDecoder](lambda: decode(errors="replace"))
    rests = defaultdict[int, str](str)
    for stream, data in frames_iter(connection, tty=False):
        *lines, rests[stream] = (rests[stream] + streams[stream].decode(data)).split("\n")
        for line in lines:
            on_line(line)
    for rest in filter(None, rests.values()):
        on_line(rest)


def _exit_of(client: docker.DockerClient, container: str) -> ContainerExit:
    """Reads how a container ended from what the engine remembers: its latest events, also of containers that are removed."""
    deadline = time.monotonic() + _END_S
    while not (ends := [event for event in _events(client, container) if event["Action"] == "die"]):
        if time.monotonic() > deadline:
            raise DockerException("it does not say how the container ended")
        time.sleep(0.1)
    status = int(ends[0]["Actor"]["Attributes"]["exitCode"])
    if status == 128 + signal.SIGKILL:
        time.sleep(_LATE_EVENT_S)
    return ContainerExit(status, any(event["Action"] == "oom" for event in _events(client, container)))


def _events(client: docker.DockerClient, container: str) -> list[dict[str, Any]]:
    chosen = {"container": [container], "event": ["oom", "die"]}
    return list(client.api.events(since=_FIRST_EVENT, until=f"{time.time():.6f}", filters=chosen, decode=True))


def _output_file(command: Sequence[str]) -> Path:
    """Where kfp's executor describes what the step made: the last thing that it writes."""
    words = list(command)
    return Path(json.loads(words[words.index("--executor_input") + 1])["outputs"]["outputFile"])


def _step_error(error: Path) -> str:
    if not error.is_file():
        return ""
    reason = read_json(error)
    return f"{reason['type']}: {reason['message']}"


def _reason(exit_state: ContainerExit, limits: Limits, step_message: str, *, complete: bool) -> str:
    """Why a step failed, where it did not say so itself or does not know; empty otherwise."""
    if exit_state.status == 0:
        return "" if complete else "it ended with status 0 but left no executor_output.json: it did not get to its end"
    if exit_state.out_of_memory:
        limit = f"its limit of {_size(limits.memory_bytes)} (platform.memory_limit)" if limits.memory_bytes else "the machine's memory"
        remedy = "raise it, or give the step less to do at once (train.batch_size)"
        return f"out of memory: the kernel killed it at {limit}: {remedy}" + (f"; the step reported {step_message}" if step_message else "")
    if step_message or exit_state.status <= 128:
        return ""
    if exit_state.status == 128 + signal.SIGBUS:
        size = _size(limits.shared_memory_bytes)
        return f"a bus error, as when /dev/shm is full: it has {size} (platform.shared_memory_gib)"
    return f"its container was killed by {_signal(exit_state.status - 128)} (exit status {exit_state.status})"


def _error(message: str) -> dict[str, str]:
    return {"kind": "internal", "type": "", "message": message}


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _size(num_bytes: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.4g} {unit}"
    return f"{num_bytes} bytes"
