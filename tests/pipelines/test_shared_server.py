"""The whole pipeline against the shared MLflow server, with authentication: PostgreSQL, S3 and MLflow as processes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.conftest import Project, shapes
from tests.servers import TrackingServer

pytestmark = pytest.mark.slow


@pytest.fixture
def on_server(tracking_server: TrackingServer, tmp_path: Path) -> Project:
    return Project(tmp_path / "project", tracking_server.client_environment())


@pytest.fixture
def as_client(tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrackingServer]:
    for name, value in tracking_server.client_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    yield tracking_server


def test_the_pipeline_runs_against_the_shared_server(on_server: Project, as_client: TrackingServer) -> None:
    from darkroom.tracking.client import client

    answer = on_server.run(shapes(on_server.folder / "shapes"))
    assert answer["model"] == {"name": "shapes", "version": 1, "alias": "champion", "variant": answer["model"]["variant"]}
    assert not list(on_server.folder.glob("mlflow.db*")) and not (on_server.folder / "mlartifacts").exists()
    store = client()
    experiment = store.get_experiment_by_name("shapes")
    assert experiment is not None and experiment.artifact_location.startswith("mlflow-artifacts:/")
    runs = store.search_runs([experiment.experiment_id])
    assert len(runs) == 10  # the parent and a child for each of the nine tasks
    assert {run.info.status for run in runs} == {"FINISHED"}
    report = store.download_artifacts(answer["run_id"], "report.html", str(on_server.folder))
    assert Path(report).read_bytes() == (on_server.folder / answer["report"]).read_bytes()
    picture = next((on_server.folder / "shapes" / "left").iterdir())
    done = on_server.darkroom("predict", "shapes@champion", str(picture), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().split("\n")[-1])[0]["labels"] in (["left"], ["right"], ["top"])
    bundle = next((on_server.folder / "runs" / "models").iterdir())
    version = store.get_model_version("shapes", "1")
    assert bundle.name == version.tags["darkroom.model_sha256"]
    again = on_server.run(on_server.folder / "shapes")
    assert again["model"]["version"] == 1
    assert all(how["cached"] for step, how in again["steps"].items() if step != "register")


@pytest.mark.parametrize("username", ["admin", "", "nobody"])
def test_wrong_credentials_are_one_sentence_before_any_step(username: str, tracking_server: TrackingServer, tmp_path: Path) -> None:
    wrong = {"MLFLOW_TRACKING_URI": tracking_server.uri}
    if username:
        wrong |= {"MLFLOW_TRACKING_USERNAME": username, "MLFLOW_TRACKING_PASSWORD": "not-the-password"}
    project = Project(tmp_path / "project", wrong)
    done = project.darkroom("run", "--data", str(shapes(tmp_path / "shapes", num_images=2)), "--json")
    who = f"the user {username!r} with this password" if username else "a client without credentials"
    sentence = (
        f"the MLflow server at {tracking_server.uri} refuses {who} (401): correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    )
    assert (done.returncode, done.stderr) == (2, f"error: {sentence}\n")
    assert json.loads(done.stdout) == {"error": sentence, "status": 2}
    assert not (project.folder / "runs").exists()


def test_a_password_in_the_address_is_never_shown(tracking_server: TrackingServer, tmp_path: Path) -> None:
    address = tracking_server.uri.replace("http://", "http://admin:not-the-password@")
    project = Project(tmp_path / "project", {"MLFLOW_TRACKING_URI": address})
    done = project.darkroom("run", "--data", str(shapes(tmp_path / "shapes", num_images=2)))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: the MLflow server at {tracking_server.uri} refuses ")
    assert "not-the-password" not in done.stderr + done.stdout


def test_a_step_with_a_wrong_password_says_so(as_client: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from darkroom.system.errors import InputError
    from darkroom.tracking.step_run import step_run

    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "not-the-password")
    with pytest.raises(InputError, match="refuses the user 'admin' with this password"), step_run("train", {}):
        pass
