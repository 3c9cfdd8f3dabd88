"""A run on Kubeflow, from settings to the outcome: how it is submitted, and followed, also by a later process."""

import hashlib
import json
import os
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from darkroom.registry import fetch
from darkroom.system.errors import InputError
from darkroom.system.files import write_json
from darkroom.tracking.client import use_store
from darkroom.versions.addresses import is_address, parse_address
from darkroom.versions.repository import FORM
from pipelines.flow import switched_off
from pipelines.params import named_sources
from pipelines.paths import ROOT
from pipelines.plan import Plan
from pipelines.run.failures import StepFailedError, StepInputError
from pipelines.submit.compile import compile_pipeline, default_arguments, notes, spread_of
from pipelines.submit.kubeflow_client import Cluster
from pipelines.training import FLOW, TASKS, training
from pipelines.view import Listener, View

POLL_S = 5.0
_FINAL_STATES = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
_NO_MLFLOW = "MLFLOW_TRACKING_URI names no server that is shared with the cluster"


def check_cluster_source(data: Path | None) -> Path:
    """Raises `InputError` unless a cluster can read the data source."""
    if data is None or not is_address(data):
        given = f"{data} on this machine" if data else "data/ on this machine"
        raise InputError(f"a cluster can't read {given}: give a data version, for example --data {FORM}")
    return data


def submit(plan: Plan, cluster: Cluster, view: Listener, *, caching: bool = True) -> str:
    """Uploads the pipeline as a version, and starts a run.

    Args:
        plan: What to run, and where.
        cluster: Kubeflow.
        view: Shows what happens.
        caching: Whether the steps may be taken from the cluster's cache.

    Returns:
        The run's id on Kubeflow.

    Raises:
        InputError: The cluster can't be used, or the image can't be named.
    """
    for note in notes(plan.platform):
        view.note(f"note: {note}")
    for source in named_sources(plan.params):
        check_cluster_source(source)
    experiment = cluster.experiment(plan.platform.experiment or plan.name, create=not plan.platform.experiment)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.yaml"
        arguments = default_arguments(plan.params, plan.platform)
        compile_pipeline(path, plan.platform, arguments, caching=caching, spread=spread_of(plan.params))
        version = cluster.upload(path, training.name, f"darkroom-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}")
    arguments |= {
        "data": parse_address(plan.source).text,
        "data_version": plan.version,
        "name": plan.name,
        "previous": _previous(plan, view),
    }
    run_id = cluster.start(experiment, f"{plan.name} {uuid.uuid4().hex[:8]}", version, arguments)
    view.note(f"run {run_id}: {cluster.page(run_id)}")
    return run_id


def _previous(plan: Plan, view: Listener) -> str:
    """The earlier assignment to splits, as the cluster's steps find it: in the MLflow that they share with this machine."""
    setting = plan.params["split"].get("previous", "champion")
    if setting == "none":
        return ""
    if setting != "champion":
        raise InputError(f"split.previous is {setting!r}: a cluster can't read a file of this machine; give `champion` or `none`")
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        view.note(f"note: {_NO_MLFLOW}, so the split does not continue the champion's")
        return ""
    use_store()
    return fetch.previous_reference(plan.name, plan.version)


@dataclass
class FinishedRun:
    """A run that has succeeded.

    Attributes:
        parameters: The arguments that it was started with.
        steps: Seconds and whether the cache answered, by step.
    """

    parameters: Mapping[str, Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)


def follow(run_id: str, cluster: Cluster, view: View, poll_s: float) -> FinishedRun:
    """Shows a run's progress until it ends.

    Args:
        run_id: The run's id on Kubeflow.
        cluster: Kubeflow.
        view: Shows what happens; of steps that run side by side, the first is shown.
        poll_s: Seconds between two requests.

    Raises:
        InputError: The cluster can't be used, or knows no such run.
        StepInputError: A step found a mistake of the user's.
        StepFailedError: The run has failed for another reason than a mistake of the user's, or was cancelled.
    """
    states = _StateView(view)
    while True:
        run = cluster.run(run_id)
        tasks = _tasks(run)
        parameters = (run.runtime_config.parameters if run.runtime_config else None) or {}
        off = switched_off(FLOW, parameters)
        states.update({step: task for step, task in tasks.items() if step not in off})
        if run.state in _FINAL_STATES:
            break
        time.sleep(poll_s)
    if run.state != "SUCCEEDED":
        error = _error_from_mlflow(run_id) or _error_from_kubeflow(run, tasks)
        states.fail(error.step, tasks)
        if error.kind == "input":
            raise StepInputError(error.step, error.message)
        raise StepFailedError(error.step, error.message, cluster.page(run_id))
    return FinishedRun(parameters, {step: states.steps[step] for step in TASKS if step in states.steps})


def write_outcome(run_id: str, finished: FinishedRun, cluster: Cluster, view: Listener) -> dict[str, Any]:
    """The run's outcome, as `darkroom run --json` prints it; its report comes from the MLflow that the cluster's steps use.

    Returns:
        The same names as of a run on this machine, and `kubeflow_run_id` and `page`; where MLflow can't be asked, `model`,
        `metrics` and `pruned` are empty and `report` is the page.
    """
    outcome = {
        "run_id": "",
        "experiment": str(finished.parameters.get("name", "")),
        "data_version": str(finished.parameters.get("data_version", "")),
        "model": {},
        "metrics": {},
        "pruned": {"metrics": {}},
        "report": cluster.page(run_id),
        "dropped": 0,
        **_from_mlflow(run_id, view),
        "steps": finished.steps,
        "kubeflow_run_id": run_id,
        "page": cluster.page(run_id),
    }
    write_json(ROOT / (outcome["run_id"] or run_id) / "outcome.json", outcome)
    return outcome


def _from_mlflow(run_id: str, view: Listener) -> dict[str, Any]:
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        view.note(f"note: {_NO_MLFLOW}: model, measures and report are on Kubeflow's page")
        return {}
    try:
        use_store()
        found = fetch.fetch_outcome(run_id, ROOT)
    except InputError as error:
        view.note(f"note: {error}")
        return {}
    if not found:
        view.note(f"note: MLflow knows no run of {run_id}: the cluster's steps may use another server")
    return found


class _StateView:
    """Shows the states of tasks in a view: one running step at a time, and the end of each once."""

    def __init__(self, view: View) -> None:
        self.steps: dict[str, dict[str, Any]] = {}
        self._view, self._shown, self._started = view, "", dict[str, float]()

    def update(self, tasks: Mapping[str, Any]) -> None:
        """Shows what has changed since the last call, in the tasks as they are now."""
        for step, task in tasks.items():
            self._started.setdefault(step, time.monotonic())
            if task.state in ("SUCCEEDED", "SKIPPED") and step not in self.steps:
                cached = task.state == "SKIPPED"
                self.steps[step] = {"seconds": round(self._seconds(step, task), 2), "cached": cached}
                self._view.finished(step, self.steps[step]["seconds"], cached)
                self._shown = ""  # the view shows none after one has ended
        running = [step for step in TASKS if step in tasks and step not in self.steps]
        if running:
            self._show(self._shown if self._shown in running else running[0])
        if len(running) > 1:
            self._view.progressed(self._shown, f"at the same time: {', '.join(step for step in running if step != self._shown)}")

    def fail(self, step: str, tasks: Mapping[str, Any]) -> None:
        """Ends the view with the step that failed."""
        self._view.failed(step, self._seconds(step, tasks[step]) if step in tasks else 0.0)

    def _show(self, step: str) -> None:
        if self._shown != step:
            self._view.started(step)
            self._shown = step

    def _seconds(self, step: str, task: Any) -> float:
        started, ended = task.start_time or task.create_time, task.end_time
        if isinstance(started, datetime) and isinstance(ended, datetime) and ended > started:
            return (ended - started).total_seconds()
        return time.monotonic() - self._started[step]


def _tasks(run: Any) -> dict[str, Any]:
    """The newest attempt of each of our steps; what Kubeflow runs around them is left out."""
    found: dict[str, Any] = {}
    details = (run.run_details.task_details if run.run_details else None) or []
    for task in sorted(details, key=lambda task: str(task.create_time or "")):
        step = (task.display_name or "").removesuffix("-component").replace("-", "_")
        if step in TASKS and task.state not in (None, "PENDING", "RUNTIME_STATE_UNSPECIFIED"):
            found[step] = task
    return found


def _error_from_kubeflow(run: Any, tasks: Mapping[str, Any]) -> fetch.StepError:
    """The step that failed, and the first reason that Kubeflow gives, which often is an exit status alone."""
    failed = [step for step in TASKS if step in tasks and tasks[step].state == "FAILED"]
    errors = [*(tasks[step].error for step in failed), run.error]
    reasons = [" ".join(error.message.split()) for error in errors if error and error.message]
    ended = "it was cancelled" if run.state == "CANCELED" else f"Kubeflow gives no reason ({json.dumps(run.state)})"
    return fetch.StepError(failed[0] if failed else "run", "internal", reasons[0] if reasons else ended)


def _error_from_mlflow(run_id: str) -> fetch.StepError | None:
    """The error that the failed step wrote to MLflow, where it could."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    try:
        use_store()
        return fetch.fetch_error(run_id)
    except InputError:  # the run has failed and Kubeflow gives a reason, too; that MLflow can't be reached is not what the user asked
        return None
