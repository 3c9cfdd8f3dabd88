"""The server of MLflow's pages, which ends with the command, its terminal, or the process that started it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from darkroom.system.errors import InputError
from pipelines.compare import guard

_POLL_S = 0.5


def check_port(port: int) -> None:
    """Raises `InputError` where another program has a port of this machine."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(f"port {port} can't be used ({error.strerror}): give another one with --port") from None


def serve(command: Sequence[str]) -> int:
    """Runs a server until it ends, Ctrl-C ends it, or the process that started this one is gone (but see `nohup`).

    Args:
        command: What starts it.

    Returns:
        Its exit status; 0 where it was ended.
    """
    starter, stays = os.getppid(), signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    server = subprocess.Popen([sys.executable, guard.__file__, *command], stdin=subprocess.PIPE, start_new_session=True)
    try:
        while stays or os.getppid() == starter:
            try:
                return server.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
    except KeyboardInterrupt:
        pass
    finally:
        if server.stdin:
            server.stdin.close()
        server.wait()
    return 0
