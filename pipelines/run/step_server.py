"""The step server: a process that has imported what every step needs, and forks itself for each of them.

A process of its own takes a step seconds of imports (Kubeflow's executor, MLflow, pandas); a fork has them at once. Each step is
still a process of its own, with its own memory, environment, output and exit status. The server computes nothing itself, so it
has no threads of Python or OpenMP when it forks. While a step runs it imports what the next one needs.

A request is a line of JSON on the server's standard input; the answer is what the step prints, then a line with the request's
mark and the exit status. At the end of its input the server ends. On systems other than Linux, where a fork may not go on with what
its parent has loaded, steps are started as kfp does it.
"""

import atexit
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import psutil

from components import STEPS
from darkroom.system.cores import share_cores

Run = Callable[..., int]  # kfp's function: a command and further environment variables to an exit status


class StepServer:
    """The server's other end: starts it, and runs one step after the other in its forks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.run.step_server"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", bufsize=1,
        )  # fmt: skip

    def run(self, full_command: list[str], env_vars: Mapping[str, str] | None = None) -> int:
        """Runs a task's command as kfp's own function of these arguments does: prints its output, and returns its exit status."""
        assert self._process.stdin and self._process.stdout
        mark = uuid.uuid4().hex
        source, arguments = full_command[3], full_command[4:]  # after `sh -c SCRIPT`
        request = {
            "mark": mark,
            "source": source,
            "arguments": arguments,
            "environment": {**os.environ, **(env_vars or {})},
            "folder": str(Path.cwd()),
        }
        with contextlib.suppress(BrokenPipeError):  # a server that was killed gives no answer
            print(json.dumps(request), file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith(mark):
                return int(line.split()[1])
            print(line, end="")
        return 1

    def close(self) -> None:
        """Ends the server, and a step that still runs."""
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(psutil.NoSuchProcess):  # of a server that was killed
            for step in psutil.Process(self._process.pid).children(recursive=True):
                step.terminate()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.terminate()
        self._process.wait()


@contextlib.contextmanager
def forked_steps() -> Iterator[None]:
    """Lets kfp's local runner take its processes from a step server while the block runs."""
    if not sys.platform.startswith("linux"):
        yield
        return
    server = StepServer()
    from kfp.local import subprocess_task_handler as handler  # takes a second, in which the server starts

    own: Run = handler.run_local_subprocess
    handler.run_local_subprocess = server.run
    try:
        yield
    finally:
        handler.run_local_subprocess = own
        server.close()


def serve() -> None:
    """Answers requests until the end of the standard input."""
    share_cores()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the steps and the run get it, too, and end by it
    import kfp.dsl.executor_main  # noqa: F401
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import darkroom.runtime.step  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            perform_step(request)
        _import_next(request["arguments"])
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(f"\n{request['mark']} {status}", flush=True)


def perform_step(request: Mapping[str, Any]) -> NoReturn:
    """Runs a step in a fork, which ends with it.

    It ends as processes of `multiprocessing` do: threads are waited for, what is registered to be done at the end is done, and
    nothing is taken apart. To free each object that the server had imported would copy its memory and take seconds.

    Args:
        request: The `source` of Kubeflow's component, the `arguments` of its executor, the whole `environment`, and the `folder` to
            work in.
    """
    from kfp.dsl.executor_main import executor_main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the requests are the server's
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    tempfile.tempdir = None  # TMPDIR is the run's
    status = 0
    try:
        with tempfile.TemporaryDirectory() as place:
            module = Path(place) / "ephemeral_component.py"
            module.write_text(request["source"], encoding="utf-8")
            sys.argv = ["executor_main", "--component_module_path", str(module), *request["arguments"]]
            executor_main()
    except BaseException:
        traceback.print_exc()
        status = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _import_next(arguments: list[str]) -> None:
    """Imports what the step after the one of this command needs; that step itself would tell what can't be imported."""
    name = arguments[arguments.index("--function_to_execute") + 1].removesuffix("_component")
    if name in STEPS[:-1]:
        with contextlib.suppress(Exception):
            step = STEPS[STEPS.index(name) + 1]
            importlib.import_module(f"components.{step}.{step}")


if __name__ == "__main__":
    serve()
