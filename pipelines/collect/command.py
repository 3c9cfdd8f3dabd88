"""`darkroom gc`."""

import json
import sys
from typing import Annotated

import typer

from pipelines.options import Json
from pipelines.sizes import in_units
from pipelines.terminal import print_note


def gc(
    keep: Annotated[int, typer.Option(help="Newest runs of each experiment that are kept complete.", min=0)] = 5,
    days: Annotated[float, typer.Option(help="For how many days a failed run can still be resumed.", min=0)] = 14,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Removes what neither a champion, the cache nor the last runs need; what a run in progress uses is kept.

    Example: `darkroom gc --keep 3 --dry-run`
    """
    from pipelines.collect.garbage import collect
    from pipelines.recover.recover import open_store

    open_store(print_note)
    done = collect(keep, days, dry_run=dry_run)
    for kind, size in done["bytes"].items():
        if done["number"][kind]:
            print(f"{kind:<12} {done['number'][kind]:>5}  {in_units(size):>9}", file=sys.stderr)
    print(
        f"{'would free' if dry_run else 'freed'} {in_units(done['freed_bytes'])}; {len(done['kept_runs'])} runs are kept complete",
        file=sys.stderr,
    )
    if as_json:
        print(json.dumps(done))
