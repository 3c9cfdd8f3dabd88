"""The part of Kubeflow Pipelines' v2beta1 API that schedules need, in memory, for a real client to talk to."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = "/apis/v2beta1"


class RecurringServer:
    """Kubeflow's memory.

    Args:
        knows_zones: Whether its cron takes `TZ=` in front of the six fields.
    """

    def __init__(self, *, knows_zones: bool = True) -> None:
        self.knows_zones = knows_zones
        self.experiments: list[dict[str, Any]] = []
        self.recurring: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.log: list[str] = []

    def add_run(self, recurring_id: str, state: str) -> None:
        """A run that a recurring run started, newer than all before."""
        (found,) = [one for one in self.recurring if one["recurring_run_id"] == recurring_id]
        run = {"run_id": f"run-{len(self.runs)}", "state": state, "recurring_run_id": recurring_id}
        self.runs.insert(0, run | {"experiment_id": found["experiment_id"]})

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the body of an answer."""
        if path == "/healthz":
            return 200, {"multi_user": False}
        if path == "/experiments":
            return self._experiments(method, query, body)
        if path == "/runs":
            wanted = query.get("experiment_id", [""])[0]
            return 200, {"runs": [run for run in self.runs if run["experiment_id"] == wanted]}
        if method == "GET":
            start, size = int(query.get("page_token", ["0"])[0] or 0), 2  # small pages, so that somebody has to turn them
            more = {"next_page_token": str(start + size)} if start + size < len(self.recurring) else {}
            return 200, {"recurringRuns": self.recurring[start : start + size], **more}
        if method == "POST" and path == "/recurringruns":
            return self._create(body)
        return self._change(method, path)

    def _experiments(self, method: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "POST":
            made = body | {"experiment_id": f"experiment-{len(self.experiments)}"}
            self.experiments.append(made)
            return 200, made
        wanted = json.loads(query["filter"][0])["predicates"][0]["stringValue"]
        return 200, {"experiments": [one for one in self.experiments if one["display_name"] == wanted]}

    def _create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        cron = body["trigger"]["cron_schedule"]["cron"]
        fields = re.sub(r"^TZ=\S+ ", "", cron) if self.knows_zones else cron
        if len(fields.split()) not in (5, 6):
            return 400, {"error": f"Schedule cron is not a supported format: {cron}"}
        status = "ENABLED" if body["mode"] == "ENABLE" else "DISABLED"
        made = body | {"recurring_run_id": f"recurring-{len(self.log)}", "status": status}
        self.log.append(f"create {body['display_name']}")
        self.recurring.append(made)
        return 200, made

    def _change(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        name, _, verb = path.removeprefix("/recurringruns/").partition(":")
        (found,) = [one for one in self.recurring if one["recurring_run_id"] == name]
        self.log.append(f"{verb or method.lower()} {found['display_name']}")
        if method == "DELETE":
            self.recurring.remove(found)
        else:
            found["status"] = "ENABLED" if verb == "enable" else "DISABLED"
        return 200, {}


@contextmanager
def serving(server: RecurringServer) -> Iterator[str]:
    """Serves it on this machine, and yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            status, answer = server.answer(self.command, parts.path.removeprefix(ROOT), parse_qs(parts.query), body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
