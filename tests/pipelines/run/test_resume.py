"""Runs that are taken up again, repeated, or started side by side."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from darkroom.tracking.tags import CODE
from darkroom.versions.data_version import data_version, fetch_version
from darkroom.versions.environment import environment_tags
from pipelines.run.resume import differences_now
from tests.pipelines.compare.test_runs_table import record
from tests.pipelines.conftest import QUICK, Project, shapes


def options(*sets: str) -> list[str]:
    return [word for setting in (*QUICK, *sets) for word in ("--set", setting)]


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        project.command(*words), cwd=project.folder, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    answer: dict[str, Any] = json.loads(out.strip().split("\n")[-1])
    return answer, err


def client(project: Project) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")


def parents(project: Project) -> list[Any]:
    store = client(project)
    experiments = [experiment.experiment_id for experiment in store.search_experiments()]
    return list(store.search_runs(experiments, "tags.`darkroom.data_version` LIKE '%'"))


def in_dvc(folder: Path) -> None:
    """A git and DVC repository, with its `photos/` added to DVC."""
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["dvc", "config", "core.analytics", "false"],
        ["dvc", "add", "-q", "photos"],
    ):
        words = [str(Path(sys.executable).parent / "dvc"), *command[1:]] if command[0] == "dvc" else command
        subprocess.run(words, cwd=folder, check=True, capture_output=True)


def test_what_differs_from_a_run_is_said() -> None:
    assert differences_now(record(tags=environment_tags())) == []
    tags = {
        **environment_tags(),
        CODE + "train": "older",
        "mlflow.source.git.commit": "c0ffee00aa",
        "darkroom.torch": "1.0",
    }
    code, torch = differences_now(record(tags=tags))
    assert code.startswith("code of train (its commit was c0ffee00, now ")
    assert torch.startswith("torch: 1.0, now 2.")


@pytest.mark.slow
def test_a_version_of_the_data_comes_back_from_dvc_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shapes(tmp_path / "photos", num_images=2)
    version = data_version(Path("photos"))
    assert not fetch_version(version, Path("runs/data/before"))  # no repository yet
    in_dvc(tmp_path)
    (tmp_path / "photos" / "left" / "left 00.png").unlink()
    assert data_version(Path("photos")) != version
    assert fetch_version(version, Path("runs/data/old"))
    assert data_version(Path("runs/data/old")) == version
    assert not fetch_version("0" * 32 + ".dir", Path("runs/data/none"))
    remote, cache = tmp_path / "remote", tmp_path / ".dvc" / "cache"
    dvc = str(Path(sys.executable).parent / "dvc")
    subprocess.run([dvc, "remote", "add", "-q", "-d", "store", str(remote)], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([dvc, "checkout", "-q", "--force", "photos"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([dvc, "push", "-q"], cwd=tmp_path, check=True, capture_output=True)
    shutil.rmtree(cache)
    assert fetch_version(version, Path("runs/data/pulled"))
    assert data_version(Path("runs/data/pulled")) == version
    assert sorted(path.name for path in Path("runs/data").iterdir()) == ["old", "pulled"]


@pytest.mark.slow
def test_a_killed_run_is_resumed_under_its_own_id(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    data = shapes(tmp_path / "shapes", num_images=40)
    process = start(project, "run", "--data", str(data), *options("train.epochs=40", "train.batch_size=2"))
    deadline = time.monotonic() + 600

    def wait_for(log: str, text: str) -> None:
        while not any(text in path.read_text() for path in project.folder.glob(f"runs/*/logs/{log}")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

    wait_for("ingest.log", "files")
    running = project.darkroom("resume", "last")
    assert (running.returncode, "is in progress (process" in running.stderr) == (2, True)
    wait_for("train.log", "epoch 2/")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = project.darkroom("resume", "last", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.strip().split("\n")[-1])
    assert {step for step, how in outcome["steps"].items() if how["cached"]} == {"ingest", "embed", "clean", "split", "augment"}
    (run,) = parents(project)
    assert (run.info.run_id, run.info.status, run.data.tags["darkroom.resumed"]) == (outcome["run_id"], "FINISHED", "1")
    assert run.data.params["train.epochs"] == "40"
    children = client(project).search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    finished = [child.info.run_name for child in children if child.info.status == "FINISHED"]
    assert sorted(finished) == sorted(outcome["steps"])
    log = (project.folder / "runs" / run.info.run_id / "logs" / "train.log").read_text()
    epochs = re.findall(r"^epoch (\d+)/40", log, re.MULTILINE)
    assert "resuming after epoch " in log and len(epochs) == len(set(epochs)) > 2
    again = project.darkroom("resume", run.info.run_id[:6])
    assert (again.returncode, "is finished: there is nothing to resume" in again.stderr) == (2, True)


@pytest.mark.slow
def test_a_run_is_repeated_with_its_own_data_settings_and_split(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    data = shapes(project.folder / "photos")
    in_dvc(project.folder)
    first = project.run(data, "train.seed=5")
    (data / "left" / "left 00.png").unlink()
    done = project.darkroom("run", "--like", first["run_id"][:8], "--json")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout.strip().split("\n")[-1])
    assert "its data comes from DVC" in done.stderr
    assert "code and environment are the same" in done.stderr
    assert (again["data_version"], again["metrics"], again["model"]) == (first["data_version"], first["metrics"], first["model"])
    runs = {run.info.run_id: run for run in parents(project)}
    assert runs[again["run_id"]].data.params == runs[first["run_id"]].data.params
    assert runs[again["run_id"]].data.tags["darkroom.like"] == first["run_id"]
    shutil.rmtree(project.folder / ".dvc" / "cache")
    shutil.rmtree(project.folder / "runs" / "data")
    gone = project.darkroom("run", "--like", first["run_id"])
    assert (gone.returncode, "has changed since, and DVC holds it neither in its cache nor in its remote" in gone.stderr) == (2, True)


@pytest.mark.slow
def test_two_runs_at_once_in_one_checkout_both_end_well(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    data = str(shapes(project.folder / "shapes"))
    alike = [start(project, "run", "--data", data, *options(), "--json") for _ in range(2)]
    (first, told_first), (second, told_second) = (ended(process) for process in alike)
    assert ("does the same: waiting until it has ended" in told_first) != ("does the same: waiting until it has ended" in told_second)
    assert first["model"]["version"] == second["model"]["version"] == 1
    cached = sorted(sum(how["cached"] for how in outcome["steps"].values()) for outcome in (first, second))
    assert cached == [0, len(first["steps"]) - 2]  # all but register and report
    others = [start(project, "run", "--data", data, *options(f"train.seed={seed}"), "--json") for seed in (1, 2)]
    versions = {ended(process)[0]["model"]["version"] for process in others}
    assert versions == {2, 3}
    assert {run.info.status for run in parents(project)} == {"FINISHED"}
    assert project.run(Path(data))["model"]["version"] == 1
