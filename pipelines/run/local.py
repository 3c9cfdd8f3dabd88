"""Runs a pipeline on this machine through `kfp.local`, and knows what kfp prints and logs while it does.

kfp reports by printing: a task starts, is taken from the cache, ends; a task's own output comes in between.
All code that depends on its wording is in this module: `tests/pipelines/run/test_local.py` pins it.
"""

import contextlib
import io
import logging
import re
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from darkroom.runtime.step import ERROR_FILE
from darkroom.system.faults import explain_text
from darkroom.system.files import read_json, write_json
from darkroom.system.secrets import redact
from pipelines.paths import USED
from pipelines.run.failures import StepFailedError, StepInputError
from pipelines.run.step_notes import step_notes
from pipelines.run.step_server import forked_steps
from pipelines.step_cache import entry_folders
from pipelines.terminal import visible
from pipelines.view import View

if TYPE_CHECKING:
    from kfp import local
    from kfp.dsl.graph_component import GraphComponent


_ERRORS = f"*/*/{ERROR_FILE}"  # in a run's artifacts

_COLOUR = re.compile(r"\x1b\[\d+m")
_STARTED = re.compile(r"Executing task '(?P<task>[^']+)'$")
_CACHED = re.compile(r"Task (?P<task>\S+) cache hit \(key=(?P<key>[0-9a-f]+)\)")
_FINISHED = re.compile(r"Task '(?P<task>[^']+)' finished with status (?P<status>SUCCESS|FAILURE)$")
_ERROR = re.compile(r"[A-Za-z_.]+(Error|Exception|Exit|Interrupt)\b")  # the last line of a traceback
_NO_MESSAGE = "its process ended without a message, as when it is killed or out of memory"
_STEP_OUTPUT = re.compile(r"\w")  # what a step prints starts with a word; kfp's echo of its input with a bracket or a space


class Runner(Protocol):
    """How steps are run: `Processes`, or `pipelines.run.docker.Containers`."""

    def prepared(self) -> "AbstractContextManager[None]":
        """Prepares what takes its time, beside what the run does before its first step; ends it with the block."""

    def ready(self, pipeline: "GraphComponent") -> "AbstractContextManager[local.SubprocessRunner | local.DockerRunner]":
        """What kfp needs to run the pipeline's steps, while the block runs."""


class Processes:
    """Runs a pipeline's steps as processes in this environment."""

    def prepared(self) -> AbstractContextManager[None]:
        """See `Runner`: starts the process from which the steps are forked."""
        return forked_steps()

    @contextlib.contextmanager
    def ready(self, pipeline: "GraphComponent") -> "Iterator[local.SubprocessRunner]":
        """See `Runner`."""
        from kfp import local

        yield local.SubprocessRunner(use_venv=False)


PROCESSES = Processes()


@dataclass
class Execution:
    """What a run left.

    Attributes:
        outputs: The pipeline's outputs by name, artifacts with their `path`.
        steps: Seconds and whether the cache answered, by step, in the order they ran.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)


def execute(
    pipeline: "GraphComponent",
    arguments: Mapping[str, Any],
    *,
    root: Path,
    cache: Path,
    logs: Path,
    view: View,
    runner: Runner = PROCESSES,
    off: Collection[str] = (),
) -> Execution:
    """Runs a pipeline, a process or a container a step, each step's output in a log file of its own.

    Args:
        pipeline: A function decorated with `dsl.pipeline`.
        arguments: Its arguments.
        root: Folder for this run's artifacts; no other run may use it.
        cache: Folder of the cache that runs share.
        logs: Folder for `<step>.log`.
        view: Shows what happens.
        runner: How the steps are run.
        off: Tasks that are switched off: neither shown nor listed unless they fail.

    Raises:
        StepInputError: A step found a mistake of the user's.
        StepFailedError: A step failed for another reason.
    """
    from kfp import local  # takes seconds, which a command that runs nothing should not wait for

    root.mkdir(parents=True, exist_ok=True)
    earlier = set(root.glob(_ERRORS))  # of a failure that this run was resumed after
    reader = _OutputReader(_task_names(pipeline), logs, view, root, cache, off)
    try:
        with runner.ready(pipeline) as kind, reader.capturing_output():
            local.init(kind, pipeline_root=str(root), enable_caching=True, cache_root=str(cache))
            outputs = pipeline(**arguments).outputs
    except RuntimeError:
        if not reader.failed_task:
            raise
        raise _failure(reader, set(root.glob(_ERRORS)) - earlier, logs) from None
    return Execution(outputs, reader.steps)


def _task_names(pipeline: "GraphComponent") -> dict[str, str]:
    """Our names of a pipeline's tasks, by kfp's: `evaluate-component-2` is displayed as `evaluate_pruned`."""
    tasks = pipeline.pipeline_spec.root.dag.tasks
    return {name: task.task_info.name.removesuffix("-component").replace("-", "_") for name, task in tasks.items()}


def _failure(reader: "_OutputReader", written: set[Path], logs: Path) -> Exception:
    """What ended a run: the reason that the step wrote down, or else the last error in its log."""
    step = reader.names[reader.failed_task]
    log = logs / f"{step}.log"
    reasons = [path for path in written if path.parent.name == reader.failed_task]
    if not reasons:
        errors = [
            line for line in log.read_text(encoding="utf-8", errors="replace")[reader.log_starts[step] :].split("\n") if _ERROR.match(line)
        ] or [_NO_MESSAGE]
        return StepFailedError(step, explain_text(errors[-1]) or errors[-1], log)
    reason = read_json(reasons[0])
    if reason["kind"] == "input":
        return StepInputError(step, reason["message"])
    return StepFailedError(step, ": ".join(filter(None, (reason["type"], reason["message"]))), log)


class _OutputReader:
    """Turns the lines that kfp prints into events, and what a task prints into its log."""

    def __init__(self, names: Mapping[str, str], logs: Path, view: View, root: Path, cache: Path, off: Collection[str] = ()) -> None:
        self.names, self.failed_task, self._root, self._cache, self._off = names, "", root, cache, off
        self.steps: dict[str, dict[str, Any]] = {}
        self.log_starts: dict[str, int] = {}  # characters in a log that are an earlier attempt's, before this one's
        self._logs, self._view = logs, view
        self._step, self._log, self._start = "", None, 0.0
        logs.mkdir(parents=True, exist_ok=True)

    _log: TextIO | None

    @contextlib.contextmanager
    def capturing_output(self) -> Iterator[None]:
        """Takes all that is printed to standard output, and what kfp logs, while the block runs."""
        handler, logger = _Handler(self.line), logging.getLogger()
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(_Lines(self.line)):
                warnings.filterwarnings("ignore", message=".*have no effect in the current local runner.*")
                warnings.filterwarnings("ignore", message="You may be attemping to run a task that uses custom")
                yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            self._close()

    def line(self, text: str) -> None:
        """Reads one printed line."""
        text = _COLOUR.sub("", text)
        if match := _STARTED.search(text):
            self._begin(match["task"])
        elif match := _CACHED.search(text):
            self._begin(match["task"])
            self._note_use(match["key"])
            self._end(match["task"], key=match["key"])
        elif match := _FINISHED.search(text):
            self._end(match["task"], failed=match["status"] == "FAILURE")
        elif self._log is not None:
            text = visible(redact(text.removeprefix("    ")))
            self._log.write(f"{text}\n")
            self._log.flush()
            if _STEP_OUTPUT.match(text) and self._step not in self._off:
                self._view.progressed(self._step, text)

    def _note_use(self, key: str) -> None:
        """Writes down at once what this run took from the cache, so that `darkroom gc` keeps it."""
        used = self._root / USED
        known = read_json(used) if used.exists() else {}
        write_json(used, {**known, self._step: key})

    def _begin(self, task: str) -> None:
        self._step, self._start = self.names[task], time.monotonic()
        log = self._logs / f"{self._step}.log"
        self.log_starts[self._step] = len(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else 0
        self._log = log.open("a", encoding="utf-8")
        if self._step not in self._off:
            self._view.started(self._step)

    def _end(self, task: str, *, key: str = "", failed: bool = False) -> None:
        """Ends a task; the key is that of the cache's entry, where it answered."""
        seconds = time.monotonic() - self._start
        if key and self._log is not None:
            self._log.write("taken from the cache\n")
        self._close()
        if failed:
            self.failed_task = task
            self._view.failed(self._step, seconds)
            return
        if self._step in self._off:
            return
        self.steps[self._step] = {"seconds": round(seconds, 2), "cached": bool(key)}
        self._view.finished(self._step, seconds, bool(key))
        taken = {folder for entry in self._cache.glob(f"{key}*.json") for folder in entry_folders(entry)} if key else set()
        folders = taken or set(self._root.glob(f"*/{task}"))
        if notes := step_notes(task.partition("-component")[0].replace("-", "_"), folders):
            self._view.told(self._step, notes)

    def _close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


class _Lines(io.TextIOBase):
    """A text stream that passes whole lines on."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take, self._rest = take, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._take(line)
        return len(text)


class _Handler(logging.Handler):
    """Passes on what is logged while kfp does not print it itself."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "root":
            self._take(record.getMessage())
