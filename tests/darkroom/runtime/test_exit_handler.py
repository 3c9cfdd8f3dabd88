"""The last word of a run on Kubeflow, in a real MLflow store."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import PipelineTaskFinalStatus
from mlflow import MlflowClient

from darkroom.tracking.runs import client, start_run
from darkroom.tracking.step_run import step_run
from darkroom.tracking.tags import KUBEFLOW_RUN, KUBEFLOW_TAG
from pipelines.submit.exit_task import ending_component
from tests.webhook import webhook

ROOT = Path(__file__).parents[3]
RUN = "0f0e0d0c-1111-2222-3333-444444444444"
PAGE = f"https://kubeflow.example.org/#/runs/details/{RUN}"


def end(state: str, message: str | None, endpoint: str = "https://kubeflow.example.org/") -> None:
    status = PipelineTaskFinalStatus(state, "", "exit-handler-1", 9 if message else None, message)
    ending_component.python_func(name="toys", run=RUN, endpoint=endpoint, status=status)


def runs(store: MlflowClient) -> list[Any]:
    experiment = store.get_experiment_by_name("darkroom")
    return list(store.search_runs([experiment.experiment_id])) if experiment else []


def test_the_log_says_how_why_and_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    end("FAILED", "train: out of memory")
    assert capsys.readouterr().out == f"toys: failed: train: out of memory\n{PAGE}\n"
    end("SUCCEEDED", None, endpoint="")
    assert capsys.readouterr().out == f"toys: succeeded\nrun {RUN} on Kubeflow\n"


def test_a_run_of_the_plug_in_is_tagged_and_left_to_it(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = start_run("toys", "plug-in", {}, {}, "", "")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    end("FAILED", "train: out of memory")
    run = client().get_run(run_id)
    assert run.info.status == "RUNNING"
    assert run.data.tags["darkroom.outcome"] == "failed"
    assert run.data.tags["darkroom.error"] == "train: out of memory"
    assert run.data.tags["darkroom.page"] == PAGE


def test_without_the_plug_in_the_pipelines_run_ends(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KUBEFLOW_RUN, RUN)
    with step_run("ingest", {}):
        pass
    killed = step_run("train", {})
    killed.__enter__()
    end("FAILED", None)
    statuses = {run.data.tags.get("darkroom.step", "pipeline"): run.info.status for run in runs(client())}
    assert statuses == {"pipeline": "FAILED", "ingest": "FINISHED", "train": "FAILED"}
    (parent,) = [run for run in runs(client()) if run.data.tags.get("darkroom.outcome") == "failed"]
    assert parent.data.tags["darkroom.error"] == "the run on Kubeflow has failed"
    assert (parent.data.tags[KUBEFLOW_TAG], parent.data.tags["darkroom.page"]) == (RUN, PAGE)
    end("CANCELLED", "by hand")
    assert client().get_run(parent.info.run_id).info.status == "KILLED"
    end("SUCCEEDED", None)
    assert client().get_run(parent.info.run_id).info.status == "FINISHED"


def test_a_failure_is_told_at_the_webhook_and_success_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with webhook(monkeypatch, 200) as hook:
        end("FAILED", "train: out of memory")
        end("SUCCEEDED", None)
    (body,) = hook.bodies
    assert (body["event"], body["why"], body["links"]) == ("failure", "train: out of memory", {"run": PAGE})


def test_what_the_task_calls_is_there_where_kubeflow_runs_it() -> None:
    """A task sees a smaller kfp, in which no component can be made: what it imports must not make one."""
    code = "from darkroom.runtime.exit_handler import report_ending; report_ending('FAILED', 'train: out of memory', 'toys', 'run-0', '')"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DARKROOM_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, "_KFP_RUNTIME": "true"}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "toys: failed: train: out of memory\nrun run-0 on Kubeflow\n", done.stderr
