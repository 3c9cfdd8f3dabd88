"""Commands about Kubeflow."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from darkroom.system.config import dump
from darkroom.system.errors import InputError
from pipelines.options import DEFAULT_PARAMS, Json, Params, Sets, Source

if TYPE_CHECKING:
    from pipelines.progress import Progress
    from pipelines.submit.kubeflow_client import Cluster


def compile(
    output: Annotated[Path, typer.Option("--output", "-o", help="The YAML file to write.")] = Path("build/training.yaml"),
    sets: Sets = None,
    params: Params = DEFAULT_PARAMS,
    pipeline: Annotated[str, typer.Option(help="training, or retraining (which trains only if there is reason to).")] = "training",
) -> None:
    """Writes the pipeline as Kubeflow's YAML, with the settings as its default parameters.

    Example: `darkroom compile -o training.yaml --set platform.image=registry.example.org/darkroom@sha256:...`
    """
    from pipelines.params import read_settings
    from pipelines.retrain.retrain import read_retrain
    from pipelines.submit.compile import compile_pipeline, default_arguments, notes, spread_of

    settings, platform = read_settings(sets or [], params)
    if pipeline == "retraining":
        from pipelines.retraining import retraining

        arguments = {"force": False, "retrain": dump(read_retrain(sets or [], params))} | default_arguments(settings, platform)
        compile_pipeline(output, platform, arguments, retraining, spread=spread_of(settings))
    elif pipeline == "training":
        compile_pipeline(output, platform, default_arguments(settings, platform), spread=spread_of(settings))
    else:
        raise InputError(f"--pipeline is {pipeline!r}: give training or retraining")
    for note in notes(platform):
        print(f"note: {note}", file=sys.stderr)
    print(output)


def submit(
    data: Source = None,
    sets: Sets = None,
    attach: Annotated[str, typer.Option(metavar="RUN_ID", help="Follow a run that was submitted before.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Start the run and leave it alone.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step, whatever the cluster's cache knows.")] = False,
    as_json: Json = False,
    params: Params = DEFAULT_PARAMS,
) -> None:
    """Runs the training pipeline on Kubeflow, and follows it; Ctrl-C leaves the run alone.

    Example: `darkroom submit --data git+https://git.example.org/team/images.git@v1#data --set platform.endpoint=https://kubeflow.example.org`
    """
    from pipelines.params import read_settings
    from pipelines.plan import make_plan
    from pipelines.progress import Progress
    from pipelines.submit.follow import check_cluster_source
    from pipelines.submit.follow import submit as start
    from pipelines.submit.kubeflow_client import Cluster

    view = Progress()
    if attach:
        if data or no_cache or detach:
            raise InputError(f"--attach {attach} follows a run as it is: leave out --data, --no-cache and --detach")
        cluster = Cluster(read_settings(sets or [], params)[1])
    else:
        plan = make_plan(check_cluster_source(data), sets or [], params)
        cluster = Cluster(plan.platform)
        attach = start(plan, cluster, view, caching=not no_cache)
    if detach:
        print(json.dumps({"kubeflow_run_id": attach, "page": cluster.page(attach)}) if as_json else attach)
        return
    _follow(attach, cluster, view, as_json)


def _follow(run_id: str, cluster: "Cluster", view: "Progress", as_json: bool) -> None:
    from pipelines.submit import follow
    from pipelines.summary import summarise

    try:
        finished = follow.follow(run_id, cluster, view, follow.POLL_S)
        outcome = follow.write_outcome(run_id, finished, cluster, view)
    except KeyboardInterrupt:
        view.stop()
        view.note(f"detached: the run goes on; attach again with `darkroom submit --attach {run_id}`")
        if as_json:
            print(json.dumps({"kubeflow_run_id": run_id, "page": cluster.page(run_id), "state": "RUNNING"}))
        raise typer.Exit(1) from None
    if outcome["model"]:
        summarise(outcome)
    view.note(f"page    {outcome['page']}")
    if as_json:
        print(json.dumps(outcome, ensure_ascii=False))
