import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from darkroom.tracking.runs import start_run
from pipelines.recover.recover import end_dead
from tests import forks
from tests.webhook import webhook


@pytest.fixture
def place(mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def killed(version: str) -> str:
    """The id of a run whose process was killed in training."""

    def begin() -> str:
        run_id = start_run("digits", "doomed", {"train": {"epochs": 7}}, {}, "data", version)
        logs = Path("runs") / run_id / "logs"
        logs.mkdir(parents=True)
        for age_s, step in ((1, "ingest"), (0, "train")):
            log = logs / f"{step}.log"
            log.write_text(f"Traceback (most recent call last)\nMemoryError: of an attempt before\n{step} had begun\n")
            os.utime(log, (time.time() - age_s,) * 2)
        return run_id

    with forks.doomed(begin) as run_id:
        return run_id


def test_a_killed_run_leaves_its_bundle_and_the_webhook_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, told = killed("f" * 32), list[str]()
    with webhook(monkeypatch, 200) as hook:
        end_dead(told.append)
        end_dead(told.append)
    assert told == [f"note: run {run_id[:8]} was killed in train; `darkroom resume {run_id[:8]}` continues it"]
    (body,) = hook.bodies
    assert (body["event"], body["what"], body["run_id"]) == ("failure", "digits: the run failed", run_id)
    assert body["why"].startswith("the run was killed in train: ")
    with zipfile.ZipFile(place / "runs" / run_id / "failure.zip") as bundle:
        error = json.loads(bundle.read("error.json"))
        assert (error["run_id"], error["step"], error["kind"]) == (run_id, "train", "KilledError")
        assert json.loads(bundle.read("settings.json")) == {"train": {"epochs": 7}}
        assert bundle.read("logs/train.log").endswith(b"\ntrain had begun\n")
        assert b"MemoryError" not in bundle.read("traceback.txt")
    kept = {artifact.path for artifact in MlflowClient().list_artifacts(run_id, "failure")}
    assert kept == {f"failure/{name}" for name in ("environment.json", "error.json", "logs", "settings.json", "traceback.txt")}


def test_a_bundle_that_can_t_be_written_stops_nothing(place: Path) -> None:
    run_id, told = killed("f" * 32), list[str]()
    unreadable = place / "runs" / run_id / "logs" / "clean.log"
    unreadable.mkdir()
    os.utime(unreadable, (0, 0))
    end_dead(told.append)
    assert told[0] == f"note: run {run_id[:8]} was killed in train; `darkroom resume {run_id[:8]}` continues it"
    assert told[1].startswith("note: the bundle of the failure could not be written: ")
    assert MlflowClient().get_run(run_id).info.status == "KILLED"


def test_of_a_run_that_had_not_begun_nothing_is_left(place: Path) -> None:
    run_id, told = killed(""), list[str]()
    end_dead(told.append)
    assert told == [f"note: run {run_id[:8]} was killed before its first step, so there is nothing to resume"]
    assert not (place / "runs" / run_id / "failure.zip").exists()


def test_the_run_of_another_checkout_is_ended_without_a_bundle(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, told = killed("f" * 32), list[str]()
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    end_dead(told.append)
    assert told == [f"note: run {run_id[:8]} was killed; `darkroom resume {run_id[:8]}` continues it"]
    assert not (place / "runs" / run_id / "failure.zip").exists()
