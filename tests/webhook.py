"""A webhook on this machine, which answers each request as it is told to, the last answer for good."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from darkroom.tracking.tags import WEBHOOK_URL

SECRET = "T0P-S3CR3T"


class Webhook:
    """A server that answers each request as it is told to, the last answer for good."""

    def __init__(self, *answers: int) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.kinds: list[str] = []
        waiting = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                self.bodies.append(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
                self.kinds.append(handler.headers["Content-Type"])
                answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                if answer == 0:
                    self.released.wait(30)
                    return
                handler.send_response(answer)
                handler.send_header("Location", "/elsewhere")
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(handler, *words: object) -> None:  # noqa: N805
                pass

        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/services/{SECRET}"


@contextlib.contextmanager
def webhook(monkeypatch: pytest.MonkeyPatch, *answers: int) -> Iterator[Webhook]:
    hook = Webhook(*answers)
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv(WEBHOOK_URL, hook.address)
    try:
        yield hook
    finally:
        hook.released.set()
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()
