"""The MLflow server goes away in the middle of training: killed or hanging, for 2 s, for longer, and for good."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from darkroom.tracking import outbox_journal
from tests import servers
from tests.pipelines.conftest import ON, QUICK, Project, shapes

pytestmark = pytest.mark.slow

EPOCHS = 12
SETS = (*QUICK, f"train.epochs={EPOCHS}", "train.batch_size=2")
TIMED = ("seconds", "latency", "speed", "system/")  # measures that no two runs share


@dataclass
class Away:
    """A server to take away, a project and its data, and what an undisturbed run told the server."""

    server: servers.Process
    project: Project
    data: Path
    undisturbed: dict[str, Any]

    @property
    def uri(self) -> str:
        return self.server.address.removesuffix("/health")

    @property
    def waiting(self) -> list[Path]:
        return outbox_journal.paths(self.project.folder / "runs" / "outbox")


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    folder = tmp_path_factory.mktemp("away")
    with servers.plain_server(folder) as server:
        project = Project(folder / "project", {"MLFLOW_TRACKING_URI": server.address.removesuffix("/health"), "OMP_NUM_THREADS": "1"})
        found = Away(server, project, shapes(folder / "shapes", num_images=20), {})
        found.undisturbed = told(found.uri, project.run(found.data, *SETS, "register.name=undisturbed")["run_id"])
        yield found


def start(away: Away, name: str, log: Path, patience_s: int) -> "tuple[subprocess.Popen[bytes], str]":
    """Starts a run that trains anew, and waits until two epochs of that are done; gives its process and its id."""
    project = away.project
    for entry in (project.folder / "runs" / "cache").glob("*.json"):
        if any(f"/{step}-component" in entry.read_text() for step in ("train", "evaluate", "prune")):
            entry.unlink()
    options = [word for setting in (*SETS, f"register.name={name}") for word in ("--set", setting)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DARKROOM_"))}
    environment |= {**project.environment, "DARKROOM_MLFLOW_PATIENCE_S": str(patience_s)}
    before = set(project.folder.glob("runs/*/logs"))
    with log.open("wb") as output:
        command = project.command("run", "--data", str(away.data), *options, "--json")
        run = subprocess.Popen(command, cwd=project.folder, env=environment, stdout=output, stderr=output)
    deadline = time.monotonic() + 600
    while True:
        new = set(project.folder.glob("runs/*/logs")) - before
        for folder in new:
            if (folder / "train.log").exists() and (folder / "train.log").read_text().count("\nepoch ") >= 2:
                return run, folder.parent.name
        assert run.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def last_line(text: str) -> dict[str, Any]:
    """What `--json` ends with."""
    answer: dict[str, Any] = json.loads(text.strip().split("\n")[-1])
    return answer


def told(uri: str, run_id: str) -> dict[str, Any]:
    """All that MLflow knows of a run's steps: status, settings and curves, but for what depends on the clock."""
    client = MlflowClient(uri)
    experiment = client.get_run(run_id).info.experiment_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run_id}'")
    assert len({child.info.run_name for child in children}) == len(children), "a step has more than one run"
    return {
        child.info.run_name: {
            "status": child.info.status,
            "params": {name: value for name, value in child.data.params.items() if name != "register.name"},
            "curves": {name: curve(client, child.info.run_id, name) for name in child.data.metrics if not any(t in name for t in TIMED)},
        }
        for child in children
    }


def curve(client: MlflowClient, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run_id, name)]


def check(away: Away, run_id: str, what: str) -> None:
    """A run's steps are in MLflow as an undisturbed run's are; prints how many epochs that were."""
    found = told(away.uri, run_id)
    assert set(found) == ON
    assert {step: facts["status"] for step, facts in found.items()} == dict.fromkeys(ON, "FINISHED")
    losses = found["train"]["curves"]["train/loss"]
    assert [step for step, _ in losses] == list(range(1, EPOCHS + 1))
    assert found["train"] == away.undisturbed["train"]
    assert found["prune"]["params"] == away.undisturbed["prune"]["params"]
    print(f"{what}: {len(losses)}/{EPOCHS} epochs, {len(found)}/{len(ON)} steps")


@pytest.mark.parametrize(("how", "seconds"), [("killed", 2), ("hanging", 2), ("hanging", 30), ("killed", 120)])
def test_training_goes_on_while_the_server_is_away_and_nothing_is_missing(away: Away, how: str, seconds: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run, run_id = start(away, f"{how}-{seconds}", log, 900)
    (away.server.stop if how == "killed" else away.server.hang)()
    before = time.monotonic()
    time.sleep(seconds)
    (away.server.start if how == "killed" else away.server.go_on)()
    gone = time.monotonic() - before
    assert run.wait(900) == 0, log.read_text()
    assert last_line(log.read_text())["model"]["version"] == 1
    parent = MlflowClient(away.uri).get_run(run_id)
    assert (parent.info.status, "darkroom.error" in parent.data.tags) == ("FINISHED", False)
    check(away, run_id, f"{how} for {gone:.0f} s")
    assert away.waiting == []


@pytest.mark.parametrize("remedy", ["sync", "resume"])
def test_a_server_that_is_gone_for_good_ends_the_run_in_one_sentence_and_nothing_is_lost(away: Away, remedy: str, tmp_path: Path) -> None:
    project, log = away.project, tmp_path / "log"
    run, run_id = start(away, f"gone-{remedy}", log, 3)
    away.server.stop()
    try:
        assert run.wait(900) == 1
        said = log.read_text()
        nothing_done = project.darkroom("sync", "--json")
    finally:
        away.server.start()
    short, number = run_id[:8], sum(len(outbox_journal.pending_entries(path)) for path in away.waiting)
    assert "Traceback" not in said
    assert f"error: register failed: AwayError: the MLflow store at {away.uri} has not answered for 3 s" in said
    assert f"{number} entries wait in runs/outbox/; when it answers again, `darkroom resume {short}` delivers them first" in said
    assert nothing_done.returncode == 1
    assert sum(file["entries"] for file in last_line(nothing_done.stdout)["waiting"]) == number
    if remedy == "sync":
        done = project.darkroom("sync", "--json")
        assert (done.returncode, last_line(done.stdout)) == (0, {"delivered": {run_id: number}, "waiting": [], "refused": []})
        failed = MlflowClient(away.uri).get_run(run_id)
        assert (failed.info.status, failed.data.tags["darkroom.error"].startswith("StepFailedError: register failed")) == ("FAILED", True)
        kept = {artifact.path for artifact in MlflowClient(away.uri).list_artifacts(run_id, "failure")}
        assert "failure/error.json" in kept
        assert told(away.uri, run_id)["register"]["status"] == "FAILED"
        again = project.darkroom("sync")
        assert (again.returncode, again.stderr) == (0, "nothing waits in runs/outbox/\n")
    resumed = project.darkroom("resume", short, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert ("had waited are in MLflow now" in resumed.stderr) == (remedy == "resume")
    client = MlflowClient(away.uri)
    children = client.search_runs([client.get_run(run_id).info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    (failed_register,) = [child for child in children if child.info.status != "FINISHED"]
    assert (failed_register.info.run_name, failed_register.info.status) == ("register", "FAILED")
    client.delete_run(failed_register.info.run_id)
    check(away, run_id, f"gone for good, then {remedy}")
    assert away.waiting == []
