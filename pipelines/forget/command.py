"""`darkroom data forget`."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from darkroom.system.errors import InputError
from pipelines.options import Json
from pipelines.table import print_table
from pipelines.terminal import print_note, visible

if TYPE_CHECKING:
    from pipelines.forget.forget import ForgetPlan

_KEPT = 1  # exit status where something is left that Darkroom can't remove


def _absolute_file(text: str) -> str:
    """The path of a file from the root, because a command works in the project; an id as it is."""
    return str(Path(text).absolute()) if Path(text).is_file() else text


def forget(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE_ID...", parser=_absolute_file, help="Ids as issues name them, or files.")],
    data: Annotated[Path, typer.Option("--data", metavar="SOURCE", help="The data's folder.")] = Path("data"),
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it without asking.")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Takes images out of all that the project keeps: data, DVC, vectors, caches, runs, reports, predictions, MLflow.

    What would no longer be what it says is removed whole and made anew by the next run. Registered models stay: those whose data
    had an image are listed. forgotten.jsonl keeps a record without the images. Exit status 1 where something is left.

    Example: `darkroom data forget f7868a25c40d --dry-run`
    """
    from pipelines.forget import forget as forgetting
    from pipelines.recover.recover import open_store

    open_store(print_note)
    with redirect_stdout(sys.stderr):
        plan = forgetting.make_forget_plan(images, data)
    _show(plan)
    if dry_run:
        if as_json:
            places = [{"kind": removal.kind, "place": removal.place} for removal in plan.removals]
            print(json.dumps({"dry_run": True, "removals": places, "models": [use.plain() for use in plan.uses], "left": plan.left}))
        return
    if not yes:
        _ask()
    with redirect_stdout(sys.stderr):
        done = forgetting.forget(plan, reason)
    for text in done["left"]:
        print_note(f"left: {text}")
    print(f"removed; {forgetting.RECORD} says so" + (f"; commit {data}.dvc" if done["data_version"] != done["data_version_before"] else ""))
    if as_json:
        print(json.dumps(done, ensure_ascii=False))
    if done["left"]:
        raise typer.Exit(_KEPT)


def _show(plan: "ForgetPlan") -> None:
    """Prints what goes, which models had the images, and what can't be removed."""
    print_table(["goes", "where"], [[removal.kind, visible(removal.place)] for removal in plan.removals])
    for use in plan.uses:
        what = ", ".join(use.roles) + ("; it keeps the vectors of its training images: train it anew" if use.holds_vectors else "")
        print(f"model  {use.model} version {use.version}{f' ({use.alias})' if use.alias else ''}: {what}")
    for text in plan.left:
        print_note(f"left: {text}")


def _ask() -> None:
    try:
        agreed = typer.confirm("Remove all of it? It can't be undone", err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        raise InputError("nothing was removed: confirm with y, or give --yes")
