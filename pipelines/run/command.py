"""Commands about runs."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from darkroom.system.errors import InputError
from pipelines.options import DEFAULT_PARAMS, Json, Params, Sets, Source
from pipelines.summary import summarise

_Like = Annotated[str, typer.Option(metavar="RUN", help="Repeat this run: its data version, its settings, its seeds.")]


class Where(StrEnum):
    """What runs the steps."""

    LOCAL = "local"
    DOCKER = "docker"
    KUBEFLOW = "kubeflow"


_Runner = Annotated[
    Where,
    typer.Option("--runner", help="Steps as processes, in containers of the image that `make image` built, or on Kubeflow as `submit`."),
]


def run(
    data: Source = None,
    sets: Sets = None,
    runner: _Runner = Where.LOCAL,
    like: _Like = "",
    as_json: Json = False,
    params: Params = DEFAULT_PARAMS,
) -> None:
    """Runs the training pipeline, on this machine where no other runner is named.

    Example: `darkroom run --data photos/ --set train.epochs=3`, or `darkroom run --like 3f2a --set train.seed=1`
    """
    from pipelines.messages import failure_notified, outcome_message, send
    from pipelines.plan import make_plan
    from pipelines.progress import Progress
    from pipelines.run import resume, run

    if runner is Where.KUBEFLOW and not like:
        from pipelines.submit.command import submit

        submit(data, sets, as_json=as_json, params=params)
        return
    view = Progress()
    plan = resume.plan_like(like, sets or [], data, view) if like else make_plan(data, sets or [], params)
    with failure_notified(plan.name, view):
        outcome = run.run(plan, view, runner=_runner(runner, plan))
    send(outcome_message(outcome), view)
    _print_outcome(outcome, as_json)


def resume(
    run: Annotated[str, typer.Argument(help="A run's id, its beginning, or `last`.")] = "last",
    runner: _Runner = Where.LOCAL,
    as_json: Json = False,
) -> None:
    """Resumes a run that failed or was killed, from the step that it did not finish.

    Example: `darkroom resume 3f2a`
    """
    from pipelines.messages import failure_notified, outcome_message, send
    from pipelines.progress import Progress
    from pipelines.run.resume import resume as resume_run

    view = Progress()
    with failure_notified(f"run {run}", view):
        outcome = resume_run(run, view, lambda plan: _runner(runner, plan))
    send(outcome_message(outcome), view)
    _print_outcome(outcome, as_json)


def logs(run: Annotated[str, typer.Argument(help="A run's id, its beginning, or `last`.")], step: str = typer.Argument("")) -> None:
    """Shows what the steps of a run printed.

    Example: `darkroom logs last train`
    """
    from pipelines.paths import run_folder

    folder = run_folder(run) / "logs"
    paths = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    if step:
        chosen = [path for path in paths if path.stem == step]
        if not chosen:
            raise InputError(f"run {folder.parent.name[:8]} has no log of {step!r}: it has {', '.join(path.stem for path in paths)}")
        paths = chosen
    for path in paths:
        print(f"==> {path.stem} ({path})")
        print(path.read_text(encoding="utf-8", errors="replace"), end="")


def _print_outcome(outcome: dict[str, Any], as_json: bool) -> None:
    summarise(outcome)
    if as_json:
        print(json.dumps(outcome, ensure_ascii=False))


def _runner(where: Where, plan: Any) -> Any:
    """How a plan's steps are run on this machine."""
    if where is Where.KUBEFLOW:
        raise InputError("--runner is 'kubeflow': a run is repeated or resumed on this machine only; give local or docker")
    if where is Where.DOCKER:
        from pipelines.run.docker import containers

        return containers(plan.source, plan.params, plan.platform)
    from pipelines.run.local import PROCESSES

    return PROCESSES
