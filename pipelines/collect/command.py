"""`darkroom gc`."""

import json
import sys
from typing import Annotated

import typer

from pipelines.compare.command import _open_store
from pipelines.options import Json
from pipelines.sizes import in_units


def gc(
    keep: Annotated[int, typer.Option(help="Runs of each experiment that stay whole, from the newest.", min=0)] = 5,
    days: Annotated[float, typer.Option(help="So long a failed run can still be resumed, in days.", min=0)] = 14,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Frees what neither a champion, the cache nor the last runs need; what a run in progress uses stays.

    Example: `darkroom gc --keep 3 --dry-run`
    """
    from pipelines.collect.garbage import collect

    _open_store()
    done = collect(keep, days, dry_run=dry_run)
    for kind, size in done["bytes"].items():
        if done["number"][kind]:
            print(f"{kind:<12} {done['number'][kind]:>5}  {in_units(size):>9}", file=sys.stderr)
    print(
        f"{'would free' if dry_run else 'freed'} {in_units(done['freed_bytes'])}; {len(done['kept_runs'])} runs stay whole", file=sys.stderr
    )
    if as_json:
        print(json.dumps(done))
