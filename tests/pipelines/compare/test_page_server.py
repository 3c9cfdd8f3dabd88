"""A server ends with the command that started it, however that ends."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from darkroom.system.errors import InputError
from pipelines.compare.page_server import check_port, serve

ROOT = Path(__file__).parents[3]
SERVER = """
import os, signal, sys, time
signal.signal(signal.SIGHUP, lambda *_: None)  # as uvicorn, which then starts its workers anew
for _ in range(2):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        break
open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
time.sleep(120)
"""
COMMAND = """
import signal, sys
from pipelines.compare.page_server import serve
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a process in the background may ignore both
sys.exit(serve([sys.executable, '-c', *sys.argv[1:]]))
"""


def wait_until(holds: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # also where it ends while it is asked about
        return False


def living(folder: Path) -> list[str]:
    found = [path.name for path in folder.iterdir()]
    return [name for name in found if _lives(int(name))]


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGINT, "starter"])
def test_the_server_and_what_it_starts_end_with_the_command(tmp_path: Path, how: "signal.Signals | str") -> None:
    words = [sys.executable, "-c", COMMAND, SERVER, str(tmp_path)]
    if how == "starter":  # such as a shell that is killed, which sends nothing
        words = [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])", *words]
    command = subprocess.Popen(words, cwd=ROOT, start_new_session=True)
    wait_until(lambda: len(living(tmp_path)) == 3)
    command.send_signal(signal.SIGKILL if isinstance(how, str) else how)
    command.wait()
    wait_until(lambda: living(tmp_path) == [])
    assert command.returncode == (0 if how is signal.SIGINT else -9 if isinstance(how, str) else -how)


def test_the_status_of_a_server_that_ends_is_the_commands(tmp_path: Path) -> None:
    assert serve([sys.executable, "-c", "raise SystemExit(3)"]) == 3


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} .*--port"):
            check_port(port)
    check_port(port)
