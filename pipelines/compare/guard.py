"""Runs a server, with all that it starts, until the process that started this one is gone, however that ends.

The two are joined by this process's standard input, which ends with the other. A server that is told of its terminal's end by a
signal alone may take that for the wish to start its workers anew, as MLflow's does.
"""

import os
import signal
import subprocess
import sys
import threading
import time

_PATIENCE_S = 5.0


def main(command: list[str]) -> int:
    """Runs a command in this process's session; returns its exit status."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # which this process sends to its whole session
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    starter_gone = threading.Event()
    ending = threading.Thread(target=_end_with_starter, args=(server, starter_gone), daemon=True)
    ending.start()
    status = server.wait()
    os.killpg(0, signal.SIGTERM)  # what it has left
    if starter_gone.is_set():
        ending.join()
    return status


def _end_with_starter(server: "subprocess.Popen[bytes]", starter_gone: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    starter_gone.set()
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_S
    while server.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
