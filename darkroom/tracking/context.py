"""The context of a step: to which MLflow run it belongs.

Three situations, which differ in the environment's variables:

- `MLFLOW_RUN_ID` names the pipeline's run: the local runners set it. A step gets a child run of its own. Where they have set
  `DARKROOM_PARENT` too, a step knows all that it needs without asking MLflow, which may be away.
- `MLFLOW_RUN_ID` names a run that is itself a child: Kubeflow's MLflow plug-in made one for the step. It is used as it is,
  and ended by the plug-in; the pipeline's run is its parent.
- `DARKROOM_KUBEFLOW_RUN` has the id that Kubeflow gave the pipeline run, without the plug-in: whichever step comes first makes
  the parent run, and all find it by a tag.
"""

import os
from dataclasses import dataclass
from typing import Any

from darkroom.system.errors import InputError
from darkroom.system.processes import source_tags
from darkroom.tracking.client import client, experiment_id
from darkroom.tracking.search import search_runs, tag_is
from darkroom.tracking.tags import DATA_VERSION, KNOWN_PARENT, KUBEFLOW_RUN, KUBEFLOW_TAG, PARENT, PIPELINE, SOURCE_TYPE

DEFAULT_EXPERIMENT = "darkroom"


@dataclass(frozen=True)
class Context:
    """Where a step logs.

    Attributes:
        parent: The pipeline's run.
        own: The run that Kubeflow's MLflow plug-in made for this step, or empty.
        pipeline: Kubeflow's id of the pipeline run where no plug-in looks after the runs, or empty.
        experiment: The experiment's id, or empty where only MLflow knows it.
    """

    parent: str
    own: str = ""
    pipeline: str = ""
    experiment: str = ""


def find_context() -> Context | None:
    """Where this process logs, or nothing where no run is open.

    Raises:
        InputError: The pipeline runs on Kubeflow, but no MLflow server is named.
    """
    given = os.environ.get("MLFLOW_RUN_ID", "")
    experiment, _, known = os.environ.get(KNOWN_PARENT, "").partition("/")
    if given and given == known:
        return Context(given, experiment=experiment)
    if given:
        tags = client().get_run(given).data.tags
        of_a_plugin = PARENT in tags and DATA_VERSION not in tags
        return Context(tags[PARENT], own=given) if of_a_plugin else Context(given)
    pipeline = os.environ.get(KUBEFLOW_RUN, "")
    if not pipeline:
        return None
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise InputError(
            f"{KUBEFLOW_RUN} says that this is Kubeflow's run {pipeline}, but MLFLOW_TRACKING_URI names no MLflow server: "
            "name one, because a file in the container would go with it"
        )
    return Context(pipeline_parent(pipeline), pipeline=pipeline)


def pipeline_parent(pipeline: str) -> str:
    """The one parent run of a Kubeflow pipeline run; made where there is none.

    Steps may come here at the same time, and MLflow has no way to make a run only once. So each makes one if it sees none,
    and all agree on the earliest; what had begun below another is moved, here or by the step that comes next. The last step
    starts when all others are done, so in the end there is one parent with all the children.

    Args:
        pipeline: Kubeflow's id of the pipeline run.

    Returns:
        The id of the parent run.
    """
    store, experiment = client(), _experiment()
    runs = _runs(experiment, pipeline)
    if not _parents(runs):
        tags = {**source_tags(), SOURCE_TYPE: "PROJECT", PIPELINE: pipeline, KUBEFLOW_TAG: pipeline}
        store.create_run(experiment, run_name=f"pipeline {pipeline}", tags=tags)
        runs = _runs(experiment, pipeline)
    first, *others = _parents(runs)
    for run in runs:
        if run.data.tags.get(PARENT, first.info.run_id) != first.info.run_id:
            store.set_tag(run.info.run_id, PARENT, first.info.run_id)
    for run in others:
        store.delete_run(run.info.run_id)
    return str(first.info.run_id)


def is_first_rank() -> bool:
    """Whether this process is the one of a distributed training that logs: `RANK`, as torchrun and Kubeflow's trainer set it."""
    return os.environ.get("RANK", "0") in ("", "0")


def _experiment() -> str:
    """The experiment that the environment names as MLflow documents it, else `darkroom`."""
    return os.environ.get("MLFLOW_EXPERIMENT_ID") or experiment_id(os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT)


def _runs(experiment: str, pipeline: str) -> list[Any]:
    return search_runs(tag_is(PIPELINE, pipeline), [experiment])


def _parents(runs: list[Any]) -> list[Any]:
    parents = [run for run in runs if PARENT not in run.data.tags]
    return sorted(parents, key=lambda run: (run.info.start_time, run.info.run_id))
