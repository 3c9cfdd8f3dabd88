"""A step on Kubeflow, with its MLflow plug-in and without, as the environment tells it; in a real store on SQLite."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from darkroom.system.errors import InputError
from darkroom.tracking.client import artifact_location, client
from darkroom.tracking.context import find_context, pipeline_parent
from darkroom.tracking.runs import finish_pipeline, open_run
from darkroom.tracking.step_run import step_run
from darkroom.tracking.tags import KUBEFLOW_RUN

VERSION = "0123456789abcdef0123456789abcdef.dir"
PIPELINE = "5f3c1f0e-7d0e-4a5e-9d3a-0c1f7a7d4f10"


def plug_in(monkeypatch: pytest.MonkeyPatch, step: str, parent: str, inputs: dict[str, Any] | None = None) -> str:
    """Does what Kubeflow's plug-in does before a step: a child run with the component's inputs, named in the environment."""
    from mlflow.entities import Param

    store = client()
    experiment = store.get_run(parent).info.experiment_id
    child = store.create_run(experiment, run_name=step, tags={"mlflow.parentRunId": parent}).info.run_id
    store.log_batch(child, params=[Param(name, json.dumps(value)) for name, value in (inputs or {}).items()])
    monkeypatch.setenv("MLFLOW_RUN_ID", child)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", os.environ["MLFLOW_TRACKING_URI"])
    return str(child)


def plugged_parent() -> str:
    """The run that the plug-in makes for the pipeline."""
    return str(
        client()
        .create_run(client().create_experiment("KFP-Default", artifact_location()), tags={"kfp.pipeline_run_id": PIPELINE})
        .info.run_id
    )


@pytest.fixture
def no_plug_in(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a step sees on Kubeflow without the plug-in."""
    monkeypatch.setenv(KUBEFLOW_RUN, PIPELINE)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return mlflow_store


def all_runs(experiment: str) -> list[Any]:
    found = client().get_experiment_by_name(experiment)
    assert found is not None
    return list(client().search_runs([found.experiment_id]))


def test_the_plug_ins_run_of_a_step_is_used_as_it_is(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = plugged_parent()
    given = plug_in(monkeypatch, "train-component", parent, {"config": {"epochs": 2}, "code_version": "abc", "epochs": 7})
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "kubernetes-namespaced")
    with step_run("train", {"epochs": 2, "device": "cpu"}) as step:
        assert step.run_id == given
        step.epoch(1, {"train_loss": 0.5})
        step.measures({"best_epoch": 1})
    run = client().get_run(given)
    assert run.info.status == "RUNNING", "the plug-in ends what it began"
    assert run.data.params == {
        "config": '{"epochs": 2}',
        "code_version": '"abc"',
        "epochs": "7",
        "train.epochs": "2",
        "train.device": "cpu",
    }
    assert run.data.metrics == {"train/loss": 0.5, "best_epoch": 1.0}
    assert run.data.tags["darkroom.step"] == "train"
    assert {run.info.run_id for run in all_runs("KFP-Default")} == {parent, given}


def test_the_plug_in_can_log_its_inputs_after_the_step_too(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.entities import Metric, Param

    given = plug_in(monkeypatch, "train-component", plugged_parent())
    with step_run("train", {"epochs": 2}) as step:
        step.measures({"accuracy": 0.9})
    client().log_batch(given, metrics=[Metric("accuracy", 0.9, 1, 0)], params=[Param("config", '{"epochs":2}'), Param("epochs", "7")])
    assert client().get_run(given).data.params == {"config": '{"epochs":2}', "epochs": "7", "train.epochs": "2"}


def test_a_step_that_fails_under_the_plug_in_leaves_the_reason_on_its_run(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = plug_in(monkeypatch, "train-component", plugged_parent())
    with pytest.raises(ZeroDivisionError), step_run("train", {}):
        _ = 1 / 0
    run = client().get_run(given)
    assert (run.info.status, run.data.tags["darkroom.error"]) == ("RUNNING", "ZeroDivisionError: division by zero")


def test_under_the_plug_in_the_outcome_stands_on_the_pipelines_run(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = plugged_parent()
    given = plug_in(monkeypatch, "register-component", parent, {"config": {}, "name": "digits"})
    with step_run("register", {"min_gain": 0.0}), open_run("digits", {"train": {"epochs": 3}}, VERSION) as run_id:
        assert run_id == parent
    run = client().get_run(parent)
    assert (run.info.status, run.data.params) == ("RUNNING", {"train.epochs": "3"})
    assert run.data.tags["darkroom.data_version"] == VERSION
    assert client().get_run(given).data.params["register.min_gain"] == "0.0"
    assert client().get_experiment_by_name("digits") is None, "no other experiment than the plug-in's"


def test_a_retried_step_under_the_plug_in_logs_the_same_again(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = plug_in(monkeypatch, "train-component", plugged_parent())
    for _ in range(2):
        with step_run("train", {"epochs": 2}):
            pass
    assert client().get_run(given).data.params == {"train.epochs": "2"}


def test_a_local_run_below_another_still_gets_children(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from darkroom.tracking.runs import start_run

    study = plugged_parent()
    run_id = start_run("digits", "one of a study", {}, {"mlflow.parentRunId": study}, "data", VERSION)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with step_run("train", {}) as step:
        assert step.run_id != run_id
    assert client().get_run(step.run_id).data.tags["mlflow.parentRunId"] == run_id


def test_without_the_plug_in_all_steps_find_one_parent(no_plug_in: Path, tmp_path: Path) -> None:
    with step_run("ingest", {"task": "auto"}) as first:
        first.measures({"num_images": 9})
    with step_run("register", {}) as last, open_run("digits", {"train": {"epochs": 3}}, VERSION) as parent:
        last.measures({"version": 1})
    assert client().get_run(parent).info.status == "RUNNING"
    (tmp_path / "page").write_text("a page")
    with step_run("report", {}) as report:
        report.keep("report.html", tmp_path / "page")
    assert [entry.path for entry in client().list_artifacts(parent) if entry.path == "report.html"] == ["report.html"]
    finish_pipeline(PIPELINE, "FINISHED")
    runs = {run.info.run_id: run for run in all_runs("darkroom")}
    assert set(runs) == {parent, first.run_id, last.run_id, report.run_id}
    assert {runs[step.run_id].data.tags["mlflow.parentRunId"] for step in (first, last, report)} == {parent}
    assert runs[parent].data.params == {"train.epochs": "3"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_the_experiment_is_the_one_that_the_environment_names(no_plug_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
    with step_run("ingest", {}):
        pass
    assert len(all_runs("digits")) == 2
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", str(client().create_experiment("other")))
    with step_run("ingest", {}):
        pass
    assert len(all_runs("other")) == 2


def test_a_step_that_fails_fails_the_parent_until_it_is_tried_again(no_plug_in: Path) -> None:
    with pytest.raises(ZeroDivisionError), step_run("train", {}):
        _ = 1 / 0
    parent = pipeline_parent(PIPELINE)
    run = client().get_run(parent)
    assert (run.info.status, run.data.tags["darkroom.error"]) == ("FAILED", "ZeroDivisionError: division by zero")
    with step_run("train", {}):
        run = client().get_run(parent)
        assert (run.info.status, run.data.tags["darkroom.error"]) == ("RUNNING", "")


def test_who_sees_the_end_of_a_pipeline_ends_its_run(no_plug_in: Path) -> None:
    left = step_run("train", {})
    left.__enter__()
    parent = finish_pipeline(PIPELINE, "FAILED", "train was killed")
    runs = all_runs("darkroom")
    assert {run.info.status for run in runs} == {"FAILED"}
    assert client().get_run(parent).data.tags["darkroom.error"] == "train was killed"


def test_two_parents_made_at_the_same_time_become_one(no_plug_in: Path) -> None:
    store = client()
    experiment = store.create_experiment("darkroom")
    tags = {"darkroom.pipeline_run": PIPELINE}
    first, second = (store.create_run(experiment, start, tags=tags).info.run_id for start in (1000, 2000))
    child = store.create_run(experiment, tags={**tags, "mlflow.parentRunId": second}).info.run_id
    assert pipeline_parent(PIPELINE) == first
    assert store.get_run(child).data.tags["mlflow.parentRunId"] == first
    assert store.get_run(second).info.lifecycle_stage == "deleted"
    assert pipeline_parent("another") not in (first, second)


def test_steps_that_start_at_the_same_time_end_with_one_parent(no_plug_in: Path) -> None:
    steps = ("evaluate", "prune", "evaluate_pruned", "train")
    client().create_experiment("darkroom")
    together = threading.Barrier(len(steps))

    def run(step: str) -> None:
        together.wait()
        with step_run(step, {}):
            pass

    with ThreadPoolExecutor(len(steps)) as threads:
        list(threads.map(run, steps))
    parent = pipeline_parent(PIPELINE)
    children = [run for run in all_runs("darkroom") if run.info.run_id != parent]
    assert sorted(run.data.tags["darkroom.step"] for run in children) == sorted(steps)
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent}


def test_on_kubeflow_a_store_in_the_container_is_refused(no_plug_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(InputError, match=f"Kubeflow's run {PIPELINE}, but MLFLOW_TRACKING_URI names no MLflow server: name one"):
        find_context()


@pytest.mark.parametrize("situation", ["local", "plug-in", "no plug-in"])
def test_only_the_first_rank_logs(situation: str, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if situation == "local":
        monkeypatch.setenv("MLFLOW_RUN_ID", plugged_parent())
    elif situation == "plug-in":
        plug_in(monkeypatch, "train-component", plugged_parent())
    else:
        monkeypatch.setenv(KUBEFLOW_RUN, PIPELINE)
    monkeypatch.setenv("RANK", "1")
    before = (mlflow_store / "mlflow.db").read_bytes()
    with step_run("train", {"epochs": 2}) as step:
        step.epoch(1, {"train_loss": 0.5})
    assert step.run_id == ""
    assert (mlflow_store / "mlflow.db").read_bytes() == before
    monkeypatch.setenv("RANK", "0")
    with step_run("train", {"epochs": 2}) as step:
        assert step.run_id
