"""The doctor against things that are there, that are not, and that hang."""

import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.check import checks
from pipelines.check.doctor import Finding, none_failed, run_checks
from tests import forks
from tests.pipelines.conftest import Project
from tests.servers import TrackingServer, free_port


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of something that takes a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def web() -> Iterator[tuple[str, dict[str, int]]]:
    """A small web server: its address, and the status that it answers by path; 404 for all others."""
    statuses: dict[str, int] = {}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.get(self.path, 404))
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", statuses
        server.shutdown()


def test_checks_run_together_and_a_hanging_one_is_given_up() -> None:
    release = threading.Event()

    def hang() -> Finding:
        release.wait(60)
        return Finding("ok", "late")

    def crash() -> Finding:
        raise ValueError("an odd\nanswer")

    start = time.monotonic()
    found = run_checks({"slow": hang, "good": lambda: Finding("ok", "there"), "odd": crash, "slow too": hang}, timeout_s=1)
    assert time.monotonic() - start < 30
    release.set()
    assert list(found) == ["slow", "good", "odd", "slow too"]
    assert found["good"] == Finding("ok", "there")
    assert found["slow"].state == found["slow too"].state == "failed" and found["slow"].found == "no answer within 1 s"
    assert found["odd"] == Finding("failed", "ValueError: an odd answer", "correct what the message names")


@pytest.mark.parametrize(("states", "well"), [(["ok", "not set up", "warning"], True), (["ok", "failed"], False)])
def test_only_what_failed_is_in_the_way(states: list[str], well: bool) -> None:
    assert none_failed([Finding(state, "") for state in states]) is well  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "status", "state", "words"),
    [
        ("/apis/v2beta1/healthz", 200, "ok", "Kubeflow Pipelines at "),
        ("/apis/v2beta1/healthz", 401, "ok", "wants credentials"),
        ("/apis/v2beta1/healthz", 500, "failed", "answers with status 500"),
        ("/elsewhere", 200, "failed", "answers with status 404"),
    ],
)
def test_kubeflow_is_asked_for_its_health(web: tuple[str, dict[str, int]], path: str, status: int, state: str, words: str) -> None:
    address, statuses = web
    statuses[path] = status
    found = checks.kubeflow(f"{address}/", timeout_s=10)
    assert found.state == state and words in found.found
    assert bool(found.remedy) == (state == "failed")


def test_kubeflow_that_refuses_or_says_nothing_failed(silent: str) -> None:
    refused = checks.kubeflow(f"http://127.0.0.1:{free_port()}", timeout_s=5)
    assert refused.state == "failed" and "refused" in refused.found
    assert checks.kubeflow(silent, timeout_s=0.3).state == "failed"
    assert checks.kubeflow("", timeout_s=1).state == "not set up"


def test_free_disk_space_is_measured(tmp_path: Path) -> None:
    assert checks.disk(tmp_path, needed=0, enough=0).state == "ok"
    assert checks.disk(tmp_path, needed=0, enough=2**60).state == "warning"
    short = checks.disk(tmp_path, needed=2**60, enough=2**60)
    assert short.state == "failed" and "GiB free" in short.found and short.remedy
    assert checks.shared_memory(tmp_path, enough=0).state == "ok"
    assert "--shm-size" in checks.shared_memory(tmp_path, enough=2**60).remedy
    assert checks.shared_memory(tmp_path / "none").state == "not set up"


def test_docker_that_was_asked_for_and_does_not_answer_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")
    found = checks.docker(timeout_s=5)
    assert found.state == "failed" and found.remedy == "start its engine, or join the group docker"
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setattr(checks, "_DOCKER_SOCKET", tmp_path / "none.sock")
    assert checks.docker(timeout_s=5).state == "not set up"


def test_the_remote_of_the_data_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checks.data_remote().state == "not set up"
    subprocess.run(["git", "init", "-q"], check=True)
    forks.dvc("init", "-q")
    assert checks.data_remote().state == "not set up"
    forks.dvc("remote", "add", "-d", "shared", str(tmp_path / "remote"))
    found = checks.data_remote()
    assert found.state == "failed" and f"{tmp_path / 'remote'} does not exist" in found.found
    (tmp_path / "remote").mkdir()
    assert checks.data_remote() == Finding("ok", f"the DVC remote {tmp_path / 'remote'} answers")
    forks.dvc("remote", "modify", "shared", "url", f"http://127.0.0.1:{free_port()}/data")
    assert checks.data_remote().state == "failed"


def test_a_laptop_without_a_server_is_well(project: Project) -> None:
    done = project.fork("doctor", "--json")
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout.strip().split("\n")[-1])
    assert answer["well"] is True
    assert {name: check["state"] for name, check in answer["checks"].items() if name in ("tracking", "credentials", "artifacts")} == {
        "tracking": "ok",
        "credentials": "not set up",
        "artifacts": "ok",
    }
    assert len(done.stdout.strip().split("\n")) == len(answer["checks"]) + 1
    assert not list(project.folder.glob("mlflow*")), "looking changes nothing"


def test_a_server_that_is_down_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.tracking.client._BACKOFF_S", 0)
    uri = f"http://anna:secret@127.0.0.1:{free_port()}"
    done = Project(tmp_path / "project", {"MLFLOW_TRACKING_URI": uri}).fork("doctor", "--timeout", "15", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout.strip().split("\n")[-1])["checks"]
    assert found["tracking"]["state"] == "failed" and found["tracking"]["found"].startswith("no MLflow server answers at ")
    assert found["tracking"]["remedy"] == "start it, or correct the address"
    assert (found["credentials"]["state"], found["artifacts"]["state"]) == ("warning", "warning")
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_shared_server_is_well(tracking_server: TrackingServer, tmp_path: Path) -> None:
    done = Project(tmp_path / "project", tracking_server.client_environment()).darkroom("doctor", "--timeout", "120", "--json")
    found = json.loads(done.stdout.strip().split("\n")[-1])["checks"]
    assert found["tracking"]["state"] == "ok" and f"at {tracking_server.uri}, this client is " in found["tracking"]["found"]
    assert found["credentials"] == {"state": "ok", "found": "the server lets 'admin' in", "remedy": ""}
    assert found["artifacts"]["state"] == "ok" and found["artifacts"]["found"].startswith("a file was written, read back and removed")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_wrong_password_is_found(tracking_server: TrackingServer, tmp_path: Path) -> None:
    wrong = {**tracking_server.client_environment(), "MLFLOW_TRACKING_PASSWORD": "not-the-password"}
    done = Project(tmp_path / "project", wrong).darkroom("doctor", "--timeout", "120", "--json")
    found = json.loads(done.stdout.strip().split("\n")[-1])["checks"]
    assert done.returncode == 1
    assert (found["tracking"]["state"], found["credentials"]["state"], found["artifacts"]["state"]) == ("ok", "failed", "warning")
    assert "refuses the user 'admin' with this password" in found["credentials"]["found"]
    assert found["credentials"]["remedy"] == "correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    assert "not-the-password" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_store_of_artifacts_that_is_away_is_found(tracking_server: TrackingServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", tracking_server.client_environment())
    tracking_server.store.process.stop()
    try:
        done = project.darkroom("doctor", "--timeout", "60", "--json")
    finally:
        tracking_server.store.process.start()
    found = json.loads(done.stdout.strip().split("\n")[-1])["checks"]
    assert done.returncode == 1
    assert (found["tracking"]["state"], found["credentials"]["state"], found["artifacts"]["state"]) == ("ok", "ok", "failed")
