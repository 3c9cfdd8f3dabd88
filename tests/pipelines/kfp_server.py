"""A small server that speaks Kubeflow's v2beta1 API over HTTP, in the models that come with `kfp-server-api`.

What it is asked is read into those models, and what it answers is written from them, so both follow the API's OpenAPI
description. A run goes on by one frame each time that it is looked at.
"""

import email
import email.policy
import http.server
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as api
import yaml

START = datetime(2026, 11, 24, 3, tzinfo=UTC)
Frame = tuple[str, dict[str, str], str]  # the run's state, its tasks' states by step, and why something failed


@dataclass
class Server:
    """What the server knows, and what it was asked.

    Attributes:
        token: The bearer token that it wants, or empty.
        frames: How a run goes on: the last one stays.
        faults: Status codes to answer with first, by the beginning of `METHOD path`.
        requests: `METHOD path` of every request, in order.
        runs: The runs that were started.
    """

    token: str = ""
    frames: list[Frame] = field(default_factory=lambda: [("SUCCEEDED", {}, "")])
    faults: dict[str, list[int]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    experiments: dict[str, str] = field(default_factory=lambda: {"Default": "exp-0"})
    pipelines: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    uploads: list[dict[str, Any]] = field(default_factory=list)
    runs: dict[str, Any] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    on_look: Callable[[int], None] = lambda look: None
    url: str = ""

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes, kind: str) -> tuple[int, Any]:
        """The status and the model of an answer."""
        routes: list[tuple[str, Callable[..., Any]]] = [
            ("GET /apis/v2beta1/healthz", lambda: api.V2beta1GetHealthzResponse(multi_user=True)),
            ("GET /apis/v2beta1/experiments", lambda: self._experiments(_wanted(query))),
            ("POST /apis/v2beta1/experiments", lambda: self._make_experiment(body)),
            ("GET /apis/v2beta1/pipelines", lambda: self._pipelines(_wanted(query))),
            ("POST /apis/v2beta1/pipelines/upload", lambda: self._upload(query["name"], body, kind)),
            ("POST /apis/v2beta1/pipelines/upload_version", lambda: self._upload_version(query, body, kind)),
            ("GET /apis/v2beta1/pipelines/([^/]+)/versions", lambda _: self._versions(_wanted(query))),
            ("POST /apis/v2beta1/runs", lambda: self._start(body)),
            ("GET /apis/v2beta1/runs", lambda: self._runs(_wanted(query))),
            ("GET /apis/v2beta1/runs/([^/]+)", self._look),
        ]
        for pattern, act in routes:
            if match := re.fullmatch(pattern, f"{method} {path}"):
                made = act(*match.groups())
                return (200, made) if made is not None else (404, _status(5, "not found"))
        return 404, _status(5, f"no such route: {method} {path}")

    def _experiments(self, wanted: str) -> Any:
        found = [api.V2beta1Experiment(experiment_id=number, display_name=name) for name, number in self.experiments.items()]
        return api.V2beta1ListExperimentsResponse(experiments=[each for each in found if wanted in ("", each.display_name)] or None)

    def _make_experiment(self, body: bytes) -> Any:
        asked = read(body, "V2beta1Experiment")
        self.experiments[asked.display_name] = f"exp-{len(self.experiments)}"
        return api.V2beta1Experiment(experiment_id=self.experiments[asked.display_name], display_name=asked.display_name)

    def _pipelines(self, wanted: str) -> Any:
        found = [api.V2beta1Pipeline(pipeline_id=number, display_name=name) for name, number in self.pipelines.items() if name == wanted]
        return api.V2beta1ListPipelinesResponse(pipelines=found or None)

    def _upload(self, name: str, body: bytes, kind: str) -> Any:
        self.uploads.append(_uploaded(body, kind))
        self.pipelines[name] = f"pipe-{len(self.pipelines)}"
        return api.V2beta1Pipeline(pipeline_id=self.pipelines[name], display_name=name)

    def _upload_version(self, query: dict[str, str], body: bytes, kind: str) -> Any:
        self.uploads.append(_uploaded(body, kind))
        self.versions[query["name"]] = f"version-{len(self.versions)}"
        return api.V2beta1PipelineVersion(pipeline_id=query["pipelineid"], pipeline_version_id=self.versions[query["name"]])

    def _versions(self, wanted: str) -> Any:
        found = [api.V2beta1PipelineVersion(pipeline_version_id=number) for name, number in self.versions.items() if name == wanted]
        return api.V2beta1ListPipelineVersionsResponse(pipeline_versions=found or None)

    def _start(self, body: bytes) -> Any:
        run = read(body, "V2beta1Run")
        run.run_id = f"run-{len(self.runs)}"
        self.runs[run.run_id] = run
        return run

    def _runs(self, wanted: str) -> Any:
        return api.V2beta1ListRunsResponse(runs=[run for run in self.runs.values() if run.display_name == wanted] or None)

    def _look(self, run_id: str) -> Any:
        run = self.runs.get(run_id)
        if run is None:
            return None
        look = self.looks[run_id] = self.looks.get(run_id, -1) + 1
        self.on_look(look)
        state, tasks, reason = self.frames[min(look, len(self.frames) - 1)]
        details = [detail for number, (step, how) in enumerate(tasks.items()) for detail in _details(number, step, how, reason)]
        run.state, run.run_details = state, api.V2beta1RunDetails(task_details=details)
        run.error = api.GoogleRpcStatus(code=2, message="the workflow has failed") if state == "FAILED" else None
        return run


def _details(number: int, step: str, state: str, reason: str) -> list[Any]:
    """A task as the cluster shows it, with the driver that Kubeflow runs before it."""
    began = START + timedelta(minutes=number)
    name = step if step in ("evaluate_pruned", "evaluate_floor") else f"{step}-component"
    ended = {"end_time": began + timedelta(seconds=90)} if state in ("SUCCEEDED", "SKIPPED", "FAILED") else {}
    error = api.GoogleRpcStatus(code=9, message=reason) if state == "FAILED" else None
    driver = api.V2beta1PipelineTaskDetail(display_name=f"{name}-driver", state="SUCCEEDED", create_time=began)
    task = api.V2beta1PipelineTaskDetail(display_name=name, state=state, create_time=began, start_time=began, error=error, **ended)
    return [driver, task]


def read(body: bytes, model: str) -> Any:
    """A request's body as a model of the API; a field that the API does not know fails."""
    known = set(getattr(api, model).attribute_map.values())
    assert set(json.loads(body)) <= known, f"{model} has no {set(json.loads(body)) - known}"

    class Response:
        data = body

    return api.ApiClient().deserialize(Response, model)


def _uploaded(body: bytes, kind: str) -> dict[str, Any]:
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=email.policy.HTTP)
    (part,) = [part for part in message.iter_parts() if part.get_param("name", header="content-disposition") == "uploadfile"]  # type: ignore[attr-defined]
    documents: dict[str, Any] = next(yaml.load_all(part.get_payload(decode=True), yaml.CSafeLoader))
    return documents


def _wanted(query: dict[str, str]) -> str:
    predicates = json.loads(query.get("filter") or "{}").get("predicates", [])
    assert all(predicate["operation"] in ("EQUALS", 1) and predicate["key"] == "display_name" for predicate in predicates)
    return predicates[0]["stringValue"] if predicates else ""


def _status(code: int, message: str) -> Any:
    return api.GoogleRpcStatus(code=code, message=message)


def _handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = f"{self.command} {parts.path}"
            server.requests.append(request)
            server.headers.append(dict(self.headers))
            fault = next((codes for start, codes in server.faults.items() if request.startswith(start) and codes), None)
            if server.token and self.headers.get("authorization") != f"Bearer {server.token}":
                self._send(401, _status(16, "Request header error: there is no user identity header."))
            elif fault:
                self._send(fault.pop(0), _status(13, "the database is starting"))
            else:
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self._send(*server.answer(self.command, parts.path, query, body, self.headers.get("Content-Type", "")))

        def do_POST(self) -> None:
            self.do_GET()

        def _send(self, status: int, model: Any) -> None:
            content = json.dumps(api.ApiClient().sanitize_for_serialization(model)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(server: Server, certificate: Path | None = None) -> Iterator[Server]:
    """Serves on this machine while the block runs; with a certificate and its key in one file, over TLS."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as listening:
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            listening.socket = context.wrap_socket(listening.socket, server_side=True)
            scheme = "https"
        server.url = f"{scheme}://127.0.0.1:{listening.server_port}"
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield server
        listening.shutdown()
