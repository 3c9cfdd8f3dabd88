import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from darkroom.system.errors import InputError
from darkroom.tracking.runs import finish_run, reopen_run, start_run, tracking_uri
from darkroom.tracking.search import search_runs
from darkroom.tracking.step_run import step_run
from pipelines import history

PARAMS = {"train": {"epochs": 3, "monitor": "f1", "side_px": "16"}, "split": {"seed": 0, "previous": ""}}


def tracked(experiment: str = "shapes", name: str = "first", version: str = "a" * 32) -> str:
    return start_run(experiment, name, PARAMS, {}, "/data/shapes", version)


def test_a_run_is_read_back_as_it_was_given(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = tracked()
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with step_run("train", PARAMS["train"]) as step:
        step.measures({"num_train": 7})
    finish_run(run_id, "FINISHED")
    (record,) = history.runs("shapes")
    assert (record.run_id, record.name, record.experiment, record.status) == (run_id, "first", "shapes", "finished")
    assert (record.data_version, record.source, record.model) == ("a" * 32, "/data/shapes", "")
    assert record.params["train.epochs"] == "3"
    assert record.seconds is not None
    assert history.settings(record) == PARAMS  # "16" stays a text, 3 a number
    assert history.steps(record)["train"].metrics == {"num_train": 7.0}


def test_runs_come_newest_first_and_by_many_names(mlflow_store: Path) -> None:
    first, second, other = tracked(name="first"), tracked(name="second"), tracked(experiment="digits", name="third")
    assert [record.run_id for record in history.runs()] == [other, second, first]
    assert [record.run_id for record in history.runs("shapes")] == [second, first]
    assert [record.run_id for record in history.runs(data_version="b" * 32)] == []
    assert [history.newest(name).run_id for name in ("shapes", "digits")] == [second, other]  # type: ignore[union-attr]
    assert history.newest("cats") is None
    assert history.get(second) == history.find(second)
    assert history.find("last").run_id == other
    assert history.find(first[:12]).run_id == first
    client = MlflowClient(tracking_uri())
    client.create_registered_model("shapes")
    client.create_model_version("shapes", (mlflow_store / "model").as_uri(), first)
    client.set_registered_model_alias("shapes", "champion", "1")
    assert history.find("shapes@champion").run_id == history.find("shapes/1").run_id == first
    for name in ("nobody", "shapes@nobody", "shapes/7", "@", ""):
        with pytest.raises(InputError, match="runs: name one by its id"):
            history.find(name)
    with pytest.raises(InputError, match="there is no experiment 'cats': there are Default, digits, shapes"):
        history.runs("cats")


def test_a_failed_run_can_be_taken_up_again(mlflow_store: Path) -> None:
    run_id = tracked()
    finish_run(run_id, "FAILED", "ValueError: no")
    assert history.find(run_id).tags["darkroom.error"] == "ValueError: no"
    reopen_run(run_id, ["train"])
    record = history.find(run_id)
    assert (record.status, record.ended, record.tags["darkroom.resumed"]) == ("running", None, "1")
    assert "darkroom.error" not in record.tags


def test_a_run_that_lies_in_the_future_is_found(mlflow_store: Path) -> None:
    tracked(name="first")
    late = tracked(name="late")
    now = history.get(late).started
    assert history.ahead(now - timedelta(minutes=4)) is None
    assert history.ahead(now - timedelta(days=4)) == history.get(late)
    assert history.newest("shapes") == history.get(late)


def test_a_step_that_was_killed_and_then_finished_is_finished_whatever_the_clock_said(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = tracked()
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with pytest.raises(KeyboardInterrupt), step_run("train", PARAMS["train"]):
        raise KeyboardInterrupt
    with step_run("train", PARAMS["train"]):
        pass
    with contextlib.closing(sqlite3.connect(mlflow_store / "mlflow.db")) as store:
        store.execute("UPDATE runs SET start_time = start_time + 86400000 WHERE status = 'FAILED'")
        store.commit()
    record = history.get(run_id)
    assert history.steps(record)["train"].status == "finished"
    (failed,) = search_runs("attributes.status = 'FAILED'")
    assert history._record(failed, "shapes").seconds is None
