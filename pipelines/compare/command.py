"""The commands that list, compare and show runs."""

import json
import os
import sys
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.console import Console

from darkroom.system.errors import InputError
from pipelines.options import Json
from pipelines.table import print_table
from pipelines.terminal import print_note

_Runs = Annotated[list[str] | None, typer.Argument(metavar="[RUN RUN]", help="Two runs: ids, their beginnings, `last`, or NAME@champion.")]
_Best = Annotated[str, typer.Option(metavar="MEASURE", help="Best first by this measure, instead of newest first.")]
_Where = Annotated[list[str] | None, typer.Option(metavar="CONDITION", help="Such as train.epochs>3 or accuracy>=0.9; repeatable.")]
_Columns = Annotated[str, typer.Option(metavar="NAME,...", help="Facts, measures, settings as step.name, or tags.")]
_Status = Annotated[str, typer.Option(help="running, finished, failed or killed.")]
_Data = Annotated[str, typer.Option(metavar="VERSION", help="The data's version, or its beginning.")]
_Since = Annotated[str, typer.Option(metavar="WHEN", help="A date, or an age such as 12h, 7d or 2w.")]


def runs(
    two: _Runs = None, best: _Best = "", where: _Where = None, columns: _Columns = "", experiment: str = "", status: _Status = "",
    data: _Data = "", since: _Since = "", limit: Annotated[int, typer.Option("--limit", "-n", min=1)] = 20, as_json: Json = False,
) -> None:  # fmt: skip
    """Lists runs; or with two of them, shows what differed and what it did to each measure.

    Example: `darkroom runs --best f1_macro --where "train.epochs>=10"`, or `darkroom runs 3f2a last`
    """
    from pipelines.compare.runs_table import Choice
    from pipelines.recover.recover import open_store

    open_store(print_note)
    if two:
        if len(two) != 2:
            raise InputError(f"darkroom runs takes no run (a list) or two (a comparison), but {len(two)} came: {' '.join(two)}")
        _compare(two[0], two[1], as_json)
        return
    _list(Choice(experiment, status, data, since, tuple(where or ()), best, limit), [name for name in columns.split(",") if name], as_json)


def _list(choice: Any, asked: list[str], as_json: bool) -> None:
    from pipelines.compare import runs_table

    ordered = runs_table.choose(replace(choice, limit=max(choice.limit, 2)))
    found, why = ordered[: choice.limit], ""
    if not found:
        unmet = f" meets {' and '.join(choice.where)}; a setting that is `auto` is no number" if choice.where else ""
        print(f"no run{unmet}: start one with `darkroom run`, or ask for less", file=sys.stderr)
    else:
        names = runs_table.columns(found, asked, choice.best)
        print_table(names, [[runs_table.text(run, name) for name in names] for run in found], prose=names)
    if choice.best and len(ordered) > 1:
        why = _why_best(ordered[1], ordered[0], choice.best)
        print_note(why)
    if as_json:
        print(json.dumps({"runs": [runs_table.as_json(run) for run in found], "best": why}, ensure_ascii=False))


def _why_best(second: Any, best: Any, measure: str) -> str:
    from darkroom.system.faults import explain
    from darkroom.system.secrets import redact
    from pipelines.compare.compare import compare
    from pipelines.compare.show import why_best

    try:
        return why_best(compare(second, best, only=measure), measure)
    except Exception as error:  # MLflow, its database and each kind of artifact store raise their own: the list is printed all the same
        return f"the best run can't be compared with the next: {explain(error) or redact(str(error))[:300]}"


def _compare(before: str, after: str, as_json: bool) -> None:
    from pipelines import history
    from pipelines.compare.compare import compare
    from pipelines.compare.show import show

    comparison = compare(history.find(before), history.find(after))
    show(comparison, Console(highlight=False))
    if as_json:
        print(json.dumps(comparison.as_json(), ensure_ascii=False))


def ui(port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 5000) -> None:
    """Opens MLflow's pages on the store that the runs are tracked in.

    Example: `darkroom ui --port 5001`
    """
    from darkroom.tracking.client import shown, use_store
    from darkroom.tracking.pages import newest_table
    from pipelines.compare.page_server import check_port, serve

    uri = use_store()
    if uri.startswith(("http://", "https://")):
        print(f"the runs are tracked on a server: open {newest_table(shown(uri))}")
        return
    page = newest_table(f"http://127.0.0.1:{port}")
    check_port(port)
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # a dozen processes for pages that Darkroom has no use for
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # which may hold a password, as a command line must not
    print(f"MLflow on {shown(uri)}: {page} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    raise typer.Exit(serve([sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]))
