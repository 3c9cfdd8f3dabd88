"""The commands about versions of the data: `darkroom data log`, `diff` and `forget`."""

import json
import sys
import tempfile
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.data.naming import FORMS, absolute_name
from pipelines.options import DEFAULT_PARAMS, Json, Params
from pipelines.terminal import print_note

if TYPE_CHECKING:
    from pipelines.data.difference import DataDifference

_Recorded = Annotated[Path, typer.Option("--data", metavar="SOURCE", help="The folder or file whose .dvc file stands in git.")]
_Side = typer.Argument(metavar="DATA", parser=absolute_name, help=f"{FORMS[0].upper()}{FORMS[1:]} of the .dvc file.")


def log(
    source: Annotated[Path, typer.Argument(help="The folder or file whose .dvc file stands in git.")] = Path("data"),
    params: Params = DEFAULT_PARAMS,
    as_json: Json = False,
) -> None:
    """Lists the versions of the data through git's history, newest first, with their images and classes and the runs on them.

    Example: `darkroom data log`
    """
    from pipelines.data.show_difference import show_log
    from pipelines.data.versions_log import log_entries
    from pipelines.params import read_settings
    from pipelines.recover.recover import open_store

    open_store(print_note)
    entries = log_entries(source, read_settings([], params)[0]["ingest"])
    show_log(entries)
    if as_json:
        print(json.dumps({"versions": [entry.plain() for entry in entries]}, ensure_ascii=False))


def diff(
    before: Annotated[str, _Side],
    after: Annotated[str, _Side] = "data",
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with the images as pictures.")] = None,
    sample: Annotated[int, typer.Option(help="Images of each side at most whose vectors are compared.", min=10, max=5000)] = 500,
    source: _Recorded = Path("data"),
    params: Params = DEFAULT_PARAMS,
    as_json: Json = False,
) -> None:
    """Shows what differs between two data versions: images, labels, splits, classes, statistics, and drift.

    Nothing is checked out: the earlier data comes from runs on this machine, from DVC's cache or its remote.

    Example: `darkroom data diff HEAD~1 data --html diff.html`
    """
    from pipelines.data.difference_page import write_page
    from pipelines.data.show_difference import show_difference
    from pipelines.params import read_settings
    from pipelines.recover.recover import open_store

    open_store(print_note)
    settings = read_settings([], params)[0]
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-")))
        found = _difference((before, after), source, settings, scratch, stack, sample)
        show_difference(found)
        if page:
            write_page(page, found)
            print(f"page  {page}", file=sys.stderr)
    if as_json:
        print(json.dumps(found.plain(), ensure_ascii=False))


def _difference(names: tuple[str, str], source: Path, settings: Any, scratch: Path, stack: ExitStack, num_sampled: int) -> "DataDifference":
    from pipelines import history
    from pipelines.data.difference import find_difference
    from pipelines.data.naming import find_snapshot
    from pipelines.data.snapshot import Reader

    (scratch / "read").mkdir()
    (scratch / "compared").mkdir()
    reader = Reader(settings["ingest"], scratch / "read", stack, history.runs())
    with redirect_stdout(sys.stderr):
        before, after = (find_snapshot(name, source, reader) for name in names)
        return find_difference(before, after, settings["embed"], scratch / "compared", num_sampled=num_sampled)
