"""Tracking: runs, their parameters, metrics and artifacts in MLflow, by default in an SQLite file of the current folder.

A run of the pipeline is one parent run with a child a step. Everything here goes through `MlflowClient` and a run id:
the fluent interface's hidden state (active run, active experiment) is never used, because under Kubeflow it belongs to
the MLflow plug-in. MLflow takes seconds to import, so it is imported where it is needed. See `components.registry` for
models.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from components.environment import environment_tags
from components.owners import is_dead, owner_tags, source_tags
from components.parents import DATA_VERSION, PARENT, PIPELINE, Place, find_place, is_first_rank, pipeline_parent
from components.runlog import Params, log_measures, log_params, log_values, set_run_tags
from components.store import client, experiment_id, pages, reaching
from components.store import tracking_uri as tracking_uri
from components.store import use_store as use_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]

STEP = "darkroom.step"
CACHED = "darkroom.cached"
ERROR = "darkroom.error"
RESUMED = "darkroom.resumed"  # how often a failed run was taken up again
SETTINGS = "settings.json"  # artifact of a parent run: its settings, exactly


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
    run = store.create_run(experiment_id(experiment), run_name=run_name, tags={**source_tags(), **owner_tags(), **tags})
    describe_run(run.info.run_id, params, data_source, data_version)
    return str(run.info.run_id)


def describe_run(run_id: str, params: Params, data_source: str, data_version: str) -> None:
    """Logs a parent run's settings, data and environment; also for a run that Kubeflow's MLflow plug-in has started."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    store = client()
    log_params(run_id, params)
    log_values(run_id, SETTINGS, params)
    name = data_source.rstrip("/").rsplit("/", 1)[-1] or data_source
    scheme, found, _ = data_source.partition("://")
    data = Dataset(name[:500] or "data", data_version[:36] or "unknown", scheme if found else "local", json.dumps({"uri": data_source}))
    store.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    set_run_tags(run_id, {**environment_tags(), DATA_VERSION: data_version})  # last: a run that has it is described whole


def reopen_run(run_id: str) -> None:
    """Sets a run that ended to running again, under this process, and with the code and environment of now."""
    store = client()
    tags = store.get_run(run_id).data.tags
    store.update_run(run_id, status="RUNNING")
    resumed = int(tags.get(RESUMED, "0")) + 1
    set_run_tags(run_id, {**source_tags(), **owner_tags(), **environment_tags(), RESUMED: str(resumed)})
    if ERROR in tags:
        store.delete_tag(run_id, ERROR)


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
    for child in _running(store, [store.get_run(run_id).info.experiment_id], f"tags.`{PARENT}` = '{run_id}'"):
        store.set_terminated(child.info.run_id, status)
    store.set_terminated(run_id, status)


def end_dead_runs() -> list[str]:
    """Ends every run that is said to be running, was started on this host, and whose process is gone.

    Returns:
        The ids of the parent runs that were set to killed.
    """
    store = client()
    experiments = [experiment.experiment_id for experiment in pages(store.search_experiments)]
    dead = [run.info.run_id for run in _running(store, experiments, "tags.`darkroom.pid` LIKE '%'") if is_dead(run.data.tags)]
    for run_id in dead:
        finish_run(run_id, "KILLED", "the process that ran it is gone")
    return dead


@contextmanager
def open_run(name: str, params: Params, data_version: str) -> Iterator[str]:
    """The pipeline's run, see `components.parents`, or one of its own where none is open, as in a container by hand.

    Args:
        name: The experiment of a run of its own.
        params: Settings, logged where the run has none yet (Kubeflow starts runs without them).
        data_version: Hash of the data, logged likewise.

    Yields:
        The run's id. Where this process or Kubeflow without its MLflow plug-in has started the run, it ends with the block:
        the step that opens it is the pipeline's last.
    """
    with reaching():
        place = find_place()
        run_id = place.parent if place else start_run(name, "register", params, {}, "", data_version)
        if place and DATA_VERSION not in client().get_run(run_id).data.tags:
            describe_run(run_id, params, "", data_version)
    ends = place is None or bool(place.pipeline)
    try:
        yield run_id
    except BaseException as error:
        if ends:
            finish_run(run_id, "FAILED", f"{type(error).__name__}: {error}")
        raise
    if ends:
        finish_run(run_id, "FINISHED")


def finish_pipeline(pipeline: str, status: Status, error: str = "") -> str:
    """Ends the run of a Kubeflow pipeline without MLflow's plug-in, for what sees its end from outside.

    Args:
        pipeline: Kubeflow's id of the pipeline run.
        status: How it ended.
        error: Why, kept as a tag.

    Returns:
        The id of the run.
    """
    run_id = pipeline_parent(pipeline)
    finish_run(run_id, status, error)
    return run_id


@contextmanager
def step_run(step: str, config: Mapping[str, Any]) -> Iterator[StepRun]:
    """The run in which a step logs, see `components.parents`; where no run is open, nothing is logged.

    Of the processes of a distributed training only the first logs.

    Args:
        step: The task's name, such as `train` or `evaluate_pruned`.
        config: The step's settings.

    Yields:
        What takes the step's measures. A child run of ours ends with the block: finished, or failed with the error as a tag.

    Raises:
        InputError: The store can't be reached, or refuses the credentials.
    """
    with reaching():
        place = find_place() if is_first_rank() else None
        child = _begin(place, step, config) if place else None
    if child is None:
        yield _NoRun()
        return
    try:
        yield child
    except BaseException as error:
        child.end("FAILED", f"{type(error).__name__}: {error}")
        raise
    child.end("FINISHED")


def log_cached_step(parent_run_id: str, step: str, config: Mapping[str, Any], measures: Mapping[str, float]) -> None:
    """Logs a step whose outputs came from the cache, with what it measured when it ran."""
    child = _ChildRun(_create_child(parent_run_id, step, {CACHED: "true"}), Place(parent_run_id))
    log_params(child.run_id, {step: config})
    child.measures(measures)
    child.end("FINISHED")


class _NoRun:
    run_id = ""

    def epoch(self, epoch: int, measures: Mapping[str, float]) -> None:
        pass

    def measures(self, measures: Mapping[str, float]) -> None:
        pass


def _begin(place: Place, step: str, config: Mapping[str, Any]) -> "_ChildRun":
    """The step's run: the one that the plug-in made, or a child; the settings carry the step, so they can't clash with its own."""
    if place.own:
        set_run_tags(place.own, {STEP: step})
    elif place.pipeline:
        _go_on(place.parent)
    tags = {PIPELINE: place.pipeline} if place.pipeline else {}
    child = _ChildRun(place.own or _create_child(place.parent, step, tags), place)
    log_params(child.run_id, {step: config})
    return child


def _go_on(run_id: str) -> None:
    """A run that an earlier attempt of a step had failed is running again."""
    if client().get_run(run_id).info.status != "RUNNING":
        client().update_run(run_id, "RUNNING")
        set_run_tags(run_id, {ERROR: ""})


def _create_child(parent: str, step: str, tags: Mapping[str, str]) -> str:
    experiment = client().get_run(parent).info.experiment_id
    tags = {PARENT: parent, STEP: step, "mlflow.source.name": "darkroom", **tags}
    return str(client().create_run(experiment, run_name=step, tags=tags).info.run_id)


class _ChildRun:
    def __init__(self, run_id: str, place: Place) -> None:
        self.run_id, self._place, self._curves = run_id, place, set[str]()

    def epoch(self, epoch: int, measures: Mapping[str, float]) -> None:
        self._curves.update(measures)
        log_measures(self.run_id, measures, epoch)

    def measures(self, measures: Mapping[str, float]) -> None:
        log_measures(self.run_id, {f"best_{name}" if name in self._curves else name: value for name, value in measures.items()})

    def end(self, status: Status, error: str = "") -> None:
        if error:
            set_run_tags(self.run_id, {ERROR: error[:5000]})
        if not self._place.own:
            client().set_terminated(self.run_id, status)
        if error and self._place.pipeline:
            set_run_tags(self._place.parent, {ERROR: error[:5000]})
            client().set_terminated(self._place.parent, status)


def _running(store: "MlflowClient", experiments: list[str], condition: str) -> list[Any]:
    query = f"attributes.status = 'RUNNING' AND {condition}"
    return pages(lambda page_token: store.search_runs(experiments, query, max_results=1000, page_token=page_token))
