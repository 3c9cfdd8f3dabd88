"""The server does what it is asked, but its answer is lost, and MLflow's client asks again: nothing is there twice."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from darkroom.registry.registry import drop_twins, register_version, versions
from darkroom.tracking.client import client
from darkroom.tracking.runs import start_run
from darkroom.tracking.tags import HOST, PID, SHA256
from tests import servers

pytestmark = pytest.mark.slow


class Forgetful:
    """A proxy in front of a server that loses the first answer to each address that creates something."""

    def __init__(self, behind: str) -> None:
        self.lost: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def forward(handler) -> None:  # noqa: N805
                body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                connection = http.client.HTTPConnection(behind)
                connection.request(handler.command, handler.path, body, dict(handler.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                if handler.path.endswith("/create") and handler.path not in self.lost:
                    self.lost.append(handler.path)
                    handler.close_connection = True
                    return
                handler.send_response(answer.status)
                handler.send_header("Content-Type", answer.headers["Content-Type"])
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

            def log_message(handler, *words: object) -> None:  # noqa: N805
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def forgetful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forgetful]:
    with servers.plain_server(tmp_path) as server:
        proxy = Forgetful(server.address.removesuffix("/health").removeprefix("http://"))
        thread = threading.Thread(target=proxy.server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.address)
        yield proxy
        proxy.server.shutdown()
        thread.join()
        proxy.server.server_close()


def test_a_run_and_a_version_whose_answers_were_lost_are_there_once(forgetful: Forgetful) -> None:
    run_id = start_run("toys", "", {}, {HOST: "kubeflow run 7", PID: ""}, "/data", "f" * 32)  # as a claim on a cluster does
    model = client().create_logged_model(client().get_run(run_id).info.experiment_id, "bundle", run_id)
    made = [register_version("toys", run_id, model.model_id, {SHA256: sha256}, "a toy") for sha256 in ("a" * 64, "b" * 64)]
    assert {path.rpartition("mlflow/")[2] for path in forgetful.lost} >= {
        "experiments/create", "runs/create", "registered-models/create", "model-versions/create"
    }  # fmt: skip
    assert [run.info.run_id for run in client().search_runs([client().get_run(run_id).info.experiment_id])] == [run_id]
    assert [version.number for version in made] == [1, 3]
    for version in made:
        drop_twins(version)
    assert versions("toys") == made[::-1]
    assert [version.tags[SHA256][0] for version in made] == ["a", "b"]
