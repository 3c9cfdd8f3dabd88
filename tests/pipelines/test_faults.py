"""Faults of the machine while `darkroom` works: one sentence, nothing corrupt, and the same command goes on."""

import contextlib
import copy
import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from tests.pipelines.conftest import ON, QUICK, Project, shapes
from tests.pipelines.killing import Stage
from tests.stores import copy_database

AGAIN = "then the same command goes on from where it was"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes(tmp_path_factory.mktemp("data") / "shapes", num_images=12)


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the command ran undisturbed."""
    project = Project(tmp_path_factory.mktemp("straight") / "project")
    project.run(data)
    return project


def words(data: Path, command: str = "run") -> list[str]:
    return [command, "--data", str(data), *(word for setting in QUICK for word in ("--set", setting)), "--json"]


def the_sentence(done: "subprocess.CompletedProcess[str]", status: int) -> str:
    """The one sentence with which a command ended; checks that it is one."""
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.split("\n") if line.startswith("error: ")]
    assert AGAIN in line
    assert json.loads(done.stdout.strip().split("\n")[-1]) == {"error": line.removeprefix("error: "), "status": status}
    return line


def at(project: Project, place: Path) -> Project:
    """The same project as it stands at another place."""
    other = copy.copy(project)
    other.folder = place
    return other


def model_bytes(project: Project) -> dict[str, bytes]:
    """Weights and graphs of the two models that the last run ended with."""
    found = sorted(project.folder.glob("runs/*/artifacts/*/*/*/*"))
    return {str(path.relative_to(path.parents[2])): path.read_bytes() for path in found if path.suffix in (".safetensors", ".onnx")}


def assert_as_undisturbed(project: Project, straight: Project, outcome: dict[str, Any]) -> None:
    assert model_bytes(project) == model_bytes(straight)
    with contextlib.closing(sqlite3.connect(project.folder / "mlflow.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert [run for run in runs if run.info.status == "RUNNING"] == []
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == outcome["run_id"]]
    assert len([run for run in children if run.info.status == "FINISHED"]) == len(outcome["steps"]) == len(ON)
    assert [version.version for version in client.search_model_versions("name = 'shapes'")] == [1]
    assert outcome["model"]["alias"] in ("champion", "challenger")  # one epoch on a few images need not be significantly better than none


class Disk:
    """A small file system that can be filled and emptied."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._ballast = folder, folder / "ballast"

    def fill(self) -> None:
        """Leaves no free space."""
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def empty(self) -> None:
        """Frees the space again."""
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system, mounted while the block runs; skips the test where none can be."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_when(disk: Disk, stage: Stage, step: str) -> threading.Thread:
    """Fills the disk as soon as a step has begun."""

    def watch() -> None:
        while step not in stage.events():
            time.sleep(0.02)
        disk.fill()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_disk_that_fills_up_in_any_step_is_one_sentence_and_the_same_command_goes_on(
    data: Path, straight: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=320m", "darkroom-test") as folder:
        disk, project = Disk(folder), Project(folder / "project")
        steps = ("ingest", "train", "evaluate", "register")
        for step in steps:
            stage = Stage(project, data, QUICK)
            stage.template = tmp_path / step  # not on the small disk
            stage.keep()
            filling = fill_when(disk, stage, step)
            line = the_sentence(project.darkroom(*words(data)), 1)
            filling.join()
            disk.empty()
            assert "no space is left on the disk for " in line, step
        assert_as_undisturbed(project, straight, project.run(data))
        with capsys.disabled():
            print(f"disk full and gone on: {len(steps)}/{len(steps)}", flush=True)


@pytest.mark.slow
def test_a_disk_that_is_too_small_is_told_before_anything_starts(data: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=40m", "darkroom-test") as folder:
        project = Project(folder / "project")
        done = project.darkroom(*words(data))
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "of disk (" in done.stderr and "free some, for example with `darkroom gc`" in done.stderr
        assert not list(project.folder.glob("runs/*/logs"))


@pytest.mark.slow
def test_a_folder_that_can_t_be_written_is_one_sentence(data: Path, straight: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    place = tmp_path / "read only"
    with mounted(place, "--bind", str(project.folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True)
        line = the_sentence(at(project, place).darkroom(*words(data)), 2)
        assert f"{place}/mlflow.db can't be written, because it is read-only: make it writable" in line
    shutil.copytree(straight.folder / "runs", project.folder / "runs", ignore=shutil.ignore_patterns("artifacts", "cache"))
    copy_database(straight.folder / "mlflow.db", project.folder)
    with mounted(place, "--bind", str(project.folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True)
        for command in ("run", "retrain"):
            line = the_sentence(at(project, place).darkroom(*words(data, command)), 1)
            assert "can't be written, because it is read-only: make it writable, or work in another folder" in line


@pytest.mark.slow
def test_a_database_that_somebody_locks_is_waited_for_a_while_and_then_named(data: Path, straight: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    copy_database(straight.folder / "mlflow.db", project.folder)
    with contextlib.closing(sqlite3.connect(project.folder / "mlflow.db", isolation_level=None, check_same_thread=False)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        line = the_sentence(project.darkroom(*words(data)), 2)
        assert f"{project.folder / 'mlflow.db'} is locked by another process (`lsof` on the file names it)" in line
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        waiting = subprocess.Popen(project.command("runs", "--json"), cwd=project.folder, env=clean, stdout=subprocess.PIPE, text=True)
        while not any(Path(file.path).name == "mlflow.db" for file in psutil.Process(waiting.pid).open_files()):
            time.sleep(0.02)
        time.sleep(1.5)
        holder.execute("ROLLBACK")
        assert len(json.loads(waiting.communicate()[0].strip().split("\n")[-1])["runs"]) == 1


@pytest.mark.slow
def test_of_two_runs_at_once_the_second_waits_and_takes_over_when_the_first_is_killed(
    data: Path, straight: Project, tmp_path: Path
) -> None:
    stage = Stage(Project(tmp_path / "project"), data, QUICK)
    stage.keep()
    first = stage.begin("run")
    while "train" not in stage.events():
        assert first.poll() is None
        time.sleep(0.02)
    with (tmp_path / "told").open("w+") as told:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        second = subprocess.Popen(
            stage.project.command(*words(data)), cwd=stage.project.folder, env=clean, stdout=subprocess.PIPE, stderr=told, text=True
        )
        while "does the same: waiting until it has ended" not in (tmp_path / "told").read_text():
            assert second.poll() is None
            time.sleep(0.05)
        first.kill()
        first.wait()
        outcome = json.loads(second.communicate()[0].strip().split("\n")[-1])
    text = (tmp_path / "told").read_text()
    assert f"process {first.pid} does the same: waiting until it has ended\nnote: run " in text
    assert re.search(r" was killed in \w+; `darkroom resume ", text), text  # in train, or what comes after a short one
    assert outcome["steps"]["split"]["cached"]
    assert_as_undisturbed(stage.project, straight, outcome)


@pytest.mark.slow
def test_a_clock_that_was_set_back_is_told_and_changes_no_result(data: Path, straight: Project) -> None:
    days = 30
    with contextlib.closing(sqlite3.connect(straight.folder / "mlflow.db")) as store:
        store.execute("UPDATE runs SET start_time = start_time + ?, end_time = end_time + ?", [days * 86_400_000] * 2)
        store.commit()
    note = "UTC, which is yet to come: look whether this machine's clock is right; until then `last` means that run"
    retrained = straight.darkroom(*words(data, "retrain"), "--set", "retrain.max_age_days=7")
    assert retrained.returncode == 0, retrained.stderr
    assert note in retrained.stderr
    assert json.loads(retrained.stdout.strip().split("\n")[-1])["action"] == "nothing"
    again = straight.darkroom(*words(data))
    assert again.returncode == 0, again.stderr
    assert note in again.stderr
    outcome = json.loads(again.stdout.strip().split("\n")[-1])
    assert {step for step, how in outcome["steps"].items() if not how["cached"]} == {"register", "report"}
    assert_as_undisturbed(straight, straight, outcome)
