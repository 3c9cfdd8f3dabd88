"""The system's load in the run of `train`, on a real store."""

import functools
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from darkroom.tracking import outbox
from darkroom.tracking.client import client
from darkroom.tracking.runs import start_run
from darkroom.tracking.step_run import step_run
from darkroom.tracking.system_load import PREFIX, SWITCH, system_load
from darkroom.tracking.tags import KNOWN_PARENT, OUTBOX_FOLDER
from tests.darkroom.tracking.test_outbox import locked

NAMES = {"cpu_utilization_percentage", "system_memory_usage_megabytes", "system_memory_usage_percentage", "disk_usage_percentage"}


@pytest.fixture
def parent(mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of the pipeline, which the environment names as the local runner does."""
    run_id = start_run("digits", "first", {}, {}, "digits", "1")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    monkeypatch.setenv(KNOWN_PARENT, f"{client().get_run(run_id).info.experiment_id}/{run_id}")
    monkeypatch.setenv(OUTBOX_FOLDER, str(tmp_path / "outbox"))
    monkeypatch.setattr("darkroom.tracking.delivery._BUSY_S", 0.02)
    monkeypatch.setattr("darkroom.tracking.outbox.WAITS_S", (0.0,))
    return run_id


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.tracking.step_run.system_load", functools.partial(system_load, interval_s=0.02))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "system load"]


def waited_for(found: object, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not found() and time.monotonic() < until:  # type: ignore[operator]
        time.sleep(0.01)


def test_the_run_of_train_gets_the_load_while_it_works(parent: str) -> None:
    with step_run("train", {}) as run:
        assert threads() == ["system load"]
        waited_for(lambda: len(client().get_metric_history(run.run_id, f"{PREFIX}cpu_utilization_percentage")) >= 3)
        run.epoch(1, {"train_loss": 0.5})
    assert threads() == []
    history = client().get_metric_history(run.run_id, f"{PREFIX}system_memory_usage_megabytes")
    assert [point.step for point in history] == list(range(len(history))) and len(history) >= 3
    assert all(point.value > 1 for point in history)
    found = client().get_run(run.run_id).data.metrics
    assert {f"{PREFIX}{name}" for name in NAMES} <= set(found) and found["train/loss"] == 0.5
    assert client().get_run(run.run_id).info.status == "FINISHED"


def test_a_step_that_fails_leaves_no_thread_and_no_run_that_works(parent: str) -> None:
    with pytest.raises(RuntimeError), step_run("train", {}) as run:
        raise RuntimeError("broken")
    assert threads() == []
    assert client().get_run(run.run_id).info.status == "FAILED"


def test_what_is_measured_while_the_store_is_away_waits(parent: str) -> None:
    with step_run("train", {}) as run:
        waited_for(lambda: run.run_id)
        with locked():
            waited_for(lambda: outbox.current().journal)
            assert outbox.current().journal is not None
    assert client().get_metric_history(run.run_id, f"{PREFIX}cpu_utilization_percentage")


@pytest.mark.parametrize(("step", "switch"), [("train", "false"), ("evaluate", "true")])
def test_other_steps_and_those_who_switch_it_off_get_none(
    parent: str,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    switch: str,
) -> None:
    monkeypatch.setenv(SWITCH, switch)
    with step_run(step, {}):
        assert threads() == []


def test_a_store_that_refuses_ends_the_measuring_and_not_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(number: int, values: object) -> None:
        raise sqlite3.DatabaseError("no such table")

    with system_load(refuse, interval_s=0.001):
        waited_for(lambda: not threads())
        assert threads() == []
    assert "no such table" in capsys.readouterr().err


def test_a_short_block_measures_nothing() -> None:
    taken: list[int] = []
    with system_load(lambda number, values: taken.append(number), interval_s=60):
        pass
    assert taken == [] and threads() == []
