"""Processes that begin where this one is: a fork has imported all that this process has, which saves a new one seconds."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from pipelines.run.step_server import perform_step

_RUNNING = ("run", "resume", "retrain", "tune")  # commands that run steps


def run(work: Callable[[], object], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Does some work in a fork of this process.

    Args:
        work: What is done.
        folder: The current folder of the fork.
        environment: All of its environment variables.

    Returns:
        Its exit status and what it printed, as of `subprocess.run`.
    """

    def moved() -> None:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        work()

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        pid = _fork(moved, out.fileno(), err.fileno())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess([], status, out.read(), err.read())


def darkroom(words: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the command line with the words that follow `darkroom`; see `run`. What takes long to import is imported before.

    The steps of a run are forks as well; tests/pipelines/test_story.py starts them as processes, as a person's run does.
    """
    import kfp.local.subprocess_task_handler
    import mlflow  # noqa: F401

    import pipelines.run.local
    from components import STEPS
    from darkroom.runtime.step import function_of
    from pipelines.cli import main

    if words[0] in _RUNNING:
        for step in STEPS:
            function_of(step)

    def work() -> None:
        pipelines.run.local.forked_steps = contextlib.nullcontext  # this process has imported all that a step needs
        kfp.local.subprocess_task_handler.run_local_subprocess = _run_step
        main(words)

    return run(work, folder, environment)


def _run_step(full_command: list[str], env_vars: Mapping[str, str] | None = None) -> int:
    """What kfp does with the command of a task, in a fork: prints its output line by line, and gives its exit status."""
    environment = {**os.environ, **(env_vars or {})}
    request = {"source": full_command[3], "arguments": full_command[4:], "environment": environment, "folder": str(Path.cwd())}
    reading, writing = os.pipe()
    pid = _fork(lambda: perform_step(request), writing, writing)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as printed:  # noqa: PTH123
        for line in printed:
            print(line, end="")
    print("\n")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dvc(*words: str, folder: Path | None = None) -> None:
    """Runs DVC's command line in a folder, the current one unless another is given; it must go well."""
    import dvc.cli.parser
    import dvc.repo  # noqa: F401
    from dvc.cli import main

    done = run(lambda: sys.exit(main(list(words))), folder or Path.cwd(), {**os.environ, "DVC_TEST": "true"})  # which asks no server
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def doomed(work: Callable[[], str]) -> Iterator[str]:
    """A fork of this process that does something and then waits for its end, `kill -9`, which comes with that of the block.

    Yields:
        What `work` returned.
    """
    reading, writing = os.pipe()

    def wait() -> None:
        os.write(writing, f"{work()}\n".encode())
        signal.pause()

    pid = _fork(wait, sys.__stdout__.fileno(), sys.__stderr__.fileno())
    os.close(writing)
    try:
        with open(reading) as said:  # noqa: PTH123
            yield said.readline().removesuffix("\n")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _fork(work: Callable[[], None], out: int, err: int) -> int:
    """The id of a fork that does `work` and ends, and that returns to none of this process's callers."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _live(work, out, err)
    return pid


def _live(work: Callable[[], None], out: int, err: int) -> NoReturn:
    status = 1
    try:
        _forget(out, err)
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _forget(out: int, err: int) -> None:
    """Leaves the parent what is its own: input and output, pytest's handlers and filters, MLflow's connections to databases."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(descriptor, standard)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    logging.getLogger().handlers.clear()
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
    for name in ("tracking", "model_registry"):
        module = sys.modules.get(f"mlflow.store.{name}.sqlalchemy_store")
        for engine in module.SqlAlchemyStore._engine_map.values() if module else ():
            engine.dispose(close=False)
