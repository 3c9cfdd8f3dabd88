"""Tracking: runs, their parameters, metrics and artifacts in MLflow, by default in an SQLite file of the current folder.

A run of the pipeline is one parent run with a child a step. Everything here goes through `MlflowClient` and a run id:
the fluent interface's hidden state (active run, active experiment) is never used, because under Kubeflow it belongs to
the MLflow plug-in. MLflow takes seconds to import, so it is imported where it is needed. See `darkroom.registry.fetch` for
models.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from darkroom.system.config import KEPT
from darkroom.system.processes import is_dead, owner_tags, source_tags
from darkroom.tracking import outbox
from darkroom.tracking.client import client, experiment_id, is_tracked, store_errors_as_input_errors
from darkroom.tracking.client import tracking_uri as tracking_uri
from darkroom.tracking.client import use_store as use_store
from darkroom.tracking.context import find_context, pipeline_parent
from darkroom.tracking.delivery import end_run, now_ms
from darkroom.tracking.log import Params, error_tags, log_params, log_values, set_run_tags
from darkroom.tracking.search import has_tag, running, tag_is
from darkroom.tracking.tags import DATA_CONTEXT, DATA_RULE, DATA_VERSION, ERROR, FILES_READ, PARENT, PID, RESUMED, START_KEY, STEP
from darkroom.versions.code import code_tags
from darkroom.versions.environment import environment_tags

Status = Literal["FINISHED", "FAILED", "KILLED"]

SETTINGS = "settings.json"  # artifact of a parent run: its settings, exactly


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
    store, where, key = client(), experiment_id(experiment), uuid.uuid4().hex
    made = store.create_run(where, run_name=run_name, tags={**source_tags(), **owner_tags(), **tags, START_KEY: key})
    run_id = str(made.info.run_id)
    for twin in running(tag_is(START_KEY, key), [where]):
        if twin.info.run_id != run_id:  # an answer was lost, and MLflow asked again
            store.delete_run(twin.info.run_id)
    describe_run(run_id, params, data_source, data_version)
    return run_id


def describe_run(run_id: str, params: Params, data_source: str, data_version: str) -> None:
    """Logs a parent run's settings, data and environment; also for a run that Kubeflow's MLflow plug-in has started."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    store = client()
    log_params(run_id, params)
    log_values(run_id, SETTINGS, KEPT.stamp(params))
    name = data_source.rstrip("/").rsplit("/", 1)[-1] or data_source
    scheme, found, _ = data_source.partition("://")
    data = Dataset(name[:500] or "data", data_version[:36] or "unknown", scheme if found else "local", json.dumps({"uri": data_source}))
    store.log_inputs(run_id, [DatasetInput(data, [InputTag(DATA_CONTEXT, "training")])])
    read = {DATA_RULE: FILES_READ, DATA_VERSION: data_version}
    set_run_tags(run_id, {**environment_tags(), **code_tags(params), **read})  # last: a run that has them is described whole


def reopen_run(run_id: str, steps: Iterable[str]) -> None:
    """Sets a run that ended to running again, under this process, and with the environment and the code of its steps of now."""
    store = client()
    tags = store.get_run(run_id).data.tags
    store.update_run(run_id, status="RUNNING")
    resumed = int(tags.get(RESUMED, "0")) + 1
    set_run_tags(run_id, {**source_tags(), **owner_tags(), **environment_tags(), **code_tags(steps), RESUMED: str(resumed)})
    if ERROR in tags:
        store.delete_tag(run_id, ERROR)


def finish_run(run_id: str, status: Status, error: str = "") -> None:
    """Ends a run, and what of its steps is still said to be running; where MLflow is away, as soon as it is back.

    Args:
        run_id: A parent run.
        status: How it ended.
        error: The real error, kept as a tag.
    """
    entry = {"kind": "finish", "run": run_id, "parent": run_id, "status": status, "tags": error_tags(error), "time": now_ms()}
    outbox.current().send(entry)
    outbox.flush()


def end_dead_runs() -> list[str]:
    """Ends every run that is said to be running, was started on this host, and whose process is gone.

    Returns:
        The ids of the parent runs that were set to killed.
    """
    if not is_tracked():
        return []
    store = client()
    dead = [run.info.run_id for run in running(has_tag(PID)) if is_dead(run.data.tags)]
    for run_id in dead:
        end_run(run_id, "KILLED", error_tags("the process that ran it is gone"), now_ms())
    for parent in {step.data.tags.get(PARENT, "") for step in running(has_tag(STEP))} - {""}:
        info, tags = store.get_run(parent).info, store.get_run(parent).data.tags
        if info.status != "RUNNING" and PID in tags:  # the step was started after its run had been ended
            end_run(parent, info.status, {}, info.end_time)
    return dead


@contextmanager
def open_run(name: str, params: Params, data_version: str) -> Iterator[str]:
    """The pipeline's run, see `darkroom.tracking.context`, or one of its own where none is open, as in a container by hand.

    Args:
        name: The experiment of a run of its own.
        params: Settings, logged where the run has none yet (Kubeflow starts runs without them).
        data_version: Hash of the data, logged likewise.

    Yields:
        The run's id. A run of its own ends with the block; that of a Kubeflow pipeline without MLflow's plug-in only where the
        block fails: what comes after the pipeline's last step ends it else.

    Raises:
        InputError: The store can't be used, or refuses the credentials.
        AwayError: The store does not answer: without it nothing can be registered.
    """
    with store_errors_as_input_errors():
        context = find_context()
        if context:
            outbox.wait_for_store()
        run_id = context.parent if context else start_run(name, "register", params, {}, "", data_version)
        if context and DATA_VERSION not in client().get_run(run_id).data.tags:
            describe_run(run_id, params, "", data_version)
    try:
        yield run_id
    except BaseException as error:
        if context is None or context.pipeline:
            finish_run(run_id, "FAILED", f"{type(error).__name__}: {error}")
        raise
    if context is None:
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
