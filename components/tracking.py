"""Tracking: runs, their parameters, metrics and artifacts in MLflow, by default in an SQLite file of the current folder.

A run of the pipeline is one parent run with a child a step. Everything here goes through `MlflowClient` and a run id:
the fluent interface's hidden state (active run, active experiment) is never used, because under Kubeflow it belongs to
the MLflow plug-in. MLflow takes seconds to import, so it is imported where it is needed. See `components.registry` for
models.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from components.errors import InputError
from components.owners import is_dead, owner_tags, source_tags
from components.runlog import Params, log_measures, log_params
from components.store import artifact_location, client
from components.store import tracking_uri as tracking_uri
from components.store import use_store as use_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]

DATA_VERSION = "darkroom.data_version"
STEP = "darkroom.step"
CACHED = "darkroom.cached"
ERROR = "darkroom.error"
_PARENT = "mlflow.parentRunId"


class StepRun(Protocol):
    """A step's child run; without MLflow it takes everything and does nothing."""

    run_id: str

    def epoch(self, epoch: int, measures: Mapping[str, float]) -> None:
        """Logs an epoch's measures, with the epoch as the step of the curve."""

    def measures(self, measures: Mapping[str, float]) -> None:
        """Logs what the step measured; what has a curve over the epochs too, as `best_<name>` of the kept epoch."""


def start_run(
    experiment: str,
    run_name: str,
    params: Params,
    tags: Mapping[str, str],
    data_source: str,
    data_version: str,
) -> str:
    """Starts the parent run of a pipeline run.

    Args:
        experiment: Name of the experiment; made where it is missing.
        run_name: What a person sees in the list of runs.
        params: Settings, a section a step.
        tags: Further tags.
        data_source: Where the data came from: a path or an address.
        data_version: Hash of the data, at most 36 characters.

    Returns:
        The run's id.

    Raises:
        InputError: The experiment was deleted.
    """
    store = client()
    run = store.create_run(_experiment_id(store, experiment), run_name=run_name, tags={**source_tags(), **owner_tags(), **tags})
    describe_run(run.info.run_id, params, data_source, data_version)
    return str(run.info.run_id)


def describe_run(run_id: str, params: Params, data_source: str, data_version: str) -> None:
    """Logs a parent run's settings and data; also for a run that Kubeflow's MLflow plug-in has started."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    store = client()
    store.set_tag(run_id, DATA_VERSION, data_version)
    log_params(run_id, params)
    name = data_source.rstrip("/").rsplit("/", 1)[-1] or data_source
    scheme, found, _ = data_source.partition("://")
    data = Dataset(name[:500] or "data", data_version[:36] or "unknown", scheme if found else "local", json.dumps({"uri": data_source}))
    store.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])


def finish_run(run_id: str, status: Status, error: str = "") -> None:
    """Ends a run, and what of its steps is still said to be running.

    Args:
        run_id: A parent run.
        status: How it ended.
        error: The real error, kept as a tag.
    """
    store = client()
    if error:
        store.set_tag(run_id, ERROR, error[:5000])
    for child in _running(store, [store.get_run(run_id).info.experiment_id], f"tags.`{_PARENT}` = '{run_id}'"):
        store.set_terminated(child.info.run_id, status)
    store.set_terminated(run_id, status)


def end_dead_runs() -> list[str]:
    """Ends every run that is said to be running, was started on this host, and whose process is gone.

    Returns:
        The ids of the parent runs that were set to killed.
    """
    store = client()
    experiments = [experiment.experiment_id for experiment in _pages(store.search_experiments)]
    dead = [run.info.run_id for run in _running(store, experiments, "tags.`darkroom.pid` LIKE '%'") if is_dead(run.data.tags)]
    for run_id in dead:
        finish_run(run_id, "KILLED", "the process that ran it is gone")
    return dead


@contextmanager
def open_run(name: str, params: Params, data_version: str) -> Iterator[str]:
    """The run that `MLFLOW_RUN_ID` names, or one of its own where none is open, as in a container by hand.

    Args:
        name: The experiment of a run of its own.
        params: Settings, logged where the run has none yet (Kubeflow's MLflow plug-in starts runs without them).
        data_version: Hash of the data, logged likewise.

    Yields:
        The run's id.
    """
    given = os.environ.get("MLFLOW_RUN_ID", "")
    if given:
        if DATA_VERSION not in client().get_run(given).data.tags:
            describe_run(given, params, "", data_version)
        yield given
        return
    run_id = start_run(name, "register", params, {}, "", data_version)
    try:
        yield run_id
    except BaseException as error:
        finish_run(run_id, "FAILED", f"{type(error).__name__}: {error}")
        raise
    finish_run(run_id, "FINISHED")


@contextmanager
def step_run(step: str, config: Mapping[str, Any]) -> Iterator[StepRun]:
    """A child run for a step, under the run that `MLFLOW_RUN_ID` names; where it names none, nothing is logged.

    Args:
        step: The task's name, such as `train` or `evaluate_pruned`.
        config: The step's settings.

    Yields:
        What takes the step's measures. The child run ends with the block: finished, or failed with the error as a tag.
    """
    parent = os.environ.get("MLFLOW_RUN_ID", "")
    if not parent:
        yield _NoRun()
        return
    child = _ChildRun(parent, step, config, {})
    try:
        yield child
    except BaseException as error:
        child.end("FAILED", f"{type(error).__name__}: {error}")
        raise
    child.end("FINISHED")


def log_cached_step(parent_run_id: str, step: str, config: Mapping[str, Any], measures: Mapping[str, float]) -> None:
    """Logs a step whose outputs came from the cache, with what it measured when it ran."""
    child = _ChildRun(parent_run_id, step, config, {CACHED: "true"})
    child.measures(measures)
    child.end("FINISHED")


class _NoRun:
    run_id = ""

    def epoch(self, epoch: int, measures: Mapping[str, float]) -> None:
        pass

    def measures(self, measures: Mapping[str, float]) -> None:
        pass


class _ChildRun:
    def __init__(self, parent: str, step: str, config: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        self._store, self._curves = client(), set[str]()
        experiment = self._store.get_run(parent).info.experiment_id
        tags = {_PARENT: parent, STEP: step, "mlflow.source.name": "darkroom", **tags}
        self.run_id = str(self._store.create_run(experiment, run_name=step, tags=tags).info.run_id)
        log_params(self.run_id, {step: config})

    def epoch(self, epoch: int, measures: Mapping[str, float]) -> None:
        self._curves.update(measures)
        log_measures(self.run_id, measures, epoch)

    def measures(self, measures: Mapping[str, float]) -> None:
        log_measures(self.run_id, {f"best_{name}" if name in self._curves else name: value for name, value in measures.items()})

    def end(self, status: Status, error: str = "") -> None:
        if error:
            self._store.set_tag(self.run_id, ERROR, error[:5000])
        self._store.set_terminated(self.run_id, status)


def _running(store: "MlflowClient", experiments: list[str], condition: str) -> list[Any]:
    query = f"attributes.status = 'RUNNING' AND {condition}"
    return _pages(lambda page_token: store.search_runs(experiments, query, max_results=1000, page_token=page_token))


def _pages(search: Any) -> list[Any]:
    page = search(page_token=None)
    found = list(page)
    while page.token:
        page = search(page_token=page.token)
        found += page
    return found


def _experiment_id(store: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    experiment = store.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(store.create_experiment(name, artifact_location(), tags={"mlflow.experimentKind": "custom_model_development"}))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return _experiment_id(store, name)  # another process made it just now
    if experiment.lifecycle_stage == "deleted":
        raise InputError(f"the MLflow experiment {name!r} was deleted: restore it, or choose another name")
    return str(experiment.experiment_id)
