"""Commands about runs."""

import json
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from darkroom.system.errors import InputError
from pipelines.commands.options import DEFAULT_PARAMS, Json, Params, Sets, Source
from pipelines.terminal import visible

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
    from pipelines import repeating, runs
    from pipelines.progress import Progress
    from pipelines.telling import ending, tell, telling

    if runner is Where.KUBEFLOW and not like:
        from pipelines.commands.kubeflow import submit

        submit(data, sets, as_json=as_json, params=params)
        return
    view = Progress()
    plan = repeating.plan_like(like, sets or [], data, view) if like else runs.plan(data, sets or [], params)
    with telling(plan.name, view):
        outcome = runs.run(plan, view, runner=_runner(runner, plan))
    tell(ending(outcome), view)
    _conclude(outcome, as_json)


def resume(
    run: Annotated[str, typer.Argument(help="A run's id, its beginning, or `last`.")] = "last",
    runner: _Runner = Where.LOCAL,
    as_json: Json = False,
) -> None:
    """Goes on with a run that failed or was killed, from the step that it did not finish.

    Example: `darkroom resume 3f2a`
    """
    from pipelines.progress import Progress
    from pipelines.repeating import resume as go_on
    from pipelines.telling import ending, tell, telling

    view = Progress()
    with telling(f"run {run}", view):
        outcome = go_on(run, view, lambda plan: _runner(runner, plan))
    tell(ending(outcome), view)
    _conclude(outcome, as_json)


def logs(run: Annotated[str, typer.Argument(help="A run's id, its beginning, or `last`.")], step: str = typer.Argument("")) -> None:
    """Shows what the steps of a run printed.

    Example: `darkroom logs last train`
    """
    from pipelines.runs import find_run

    folder = find_run(run) / "logs"
    paths = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    if step:
        chosen = [path for path in paths if path.stem == step]
        if not chosen:
            raise InputError(f"run {folder.parent.name[:8]} has no log of {step!r}: it has {', '.join(path.stem for path in paths)}")
        paths = chosen
    for path in paths:
        print(f"==> {path.stem} ({path})")
        print(path.read_text(), end="")


def ui(port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 5000) -> None:
    """Opens MLflow's pages on the store that the runs are tracked in.

    Example: `darkroom ui --port 5001`
    """
    from darkroom.tracking.client import newest_table, shown, use_store

    uri = use_store()
    if uri.startswith(("http://", "https://")):
        print(f"the runs are tracked on a server: open {newest_table(shown(uri))}")
        return
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # a dozen processes for pages that Darkroom has no use for
    print(f"MLflow on {uri}: {newest_table(f'http://127.0.0.1:{port}')} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    command = ["mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", *command])


def _conclude(outcome: dict[str, Any], as_json: bool) -> None:
    summarise(outcome)
    if as_json:
        print(json.dumps(outcome, ensure_ascii=False))


def _runner(where: Where, plan: Any) -> Any:
    """How a plan's steps are run on this machine."""
    if where is Where.KUBEFLOW:
        raise InputError("--runner is 'kubeflow': a run is repeated or resumed on this machine only; give local or docker")
    if where is Where.DOCKER:
        from pipelines.docker import containers

        return containers(plan.source, plan.params, plan.platform)
    from pipelines.local import PROCESSES

    return PROCESSES


def summarise(outcome: dict[str, Any]) -> None:
    """Shows what a run ended with."""
    model, metrics, pruned = outcome["model"], outcome["metrics"], outcome["pruned"]
    console = Console(stderr=True, highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("", "full", "pruned"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name in ("accuracy", "balanced_accuracy", "f1_macro"):
        table.add_row(name, _number(metrics.get(name)), _number(pruned["metrics"].get(name)))
    table.add_row("latency", "1", _number(pruned.get("latency_ratio")))
    table.add_row("size", "1", _number(pruned.get("size_ratio")))
    console.print(table)
    alias = f", {model['alias']}" if model["alias"] else ""
    reason = visible(outcome.get("reason", ""))  # it may name classes
    left_out = f"{outcome['dropped']} of the delivered files left out" if outcome["dropped"] else "no file left out"
    print(f"model   {model['name']} version {model['version']} ({model['variant']}{alias}): {reason}", file=sys.stderr)
    print(f"run     {outcome['run_id']} in {outcome['experiment']!r}, data {outcome['data_version'][:12]}, {left_out}", file=sys.stderr)
    print(f"report  {outcome['report']}    compare runs: darkroom runs, darkroom ui", file=sys.stderr)


def _number(value: Callable[..., Any] | float | None) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else ""
