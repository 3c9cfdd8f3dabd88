"""The command about what waits for MLflow."""

import json
import sys

import typer

from pipelines.options import Json


def sync(as_json: Json = False) -> None:
    """Delivers what runs could not tell MLflow while it was away; exit status 1 where something still waits.

    Example: `darkroom sync`
    """
    from pipelines.recover.sync import sync as deliver

    done, sentences = deliver()
    print("\n".join(sentences), file=sys.stderr)
    if as_json:
        print(json.dumps(done, ensure_ascii=False))
    raise typer.Exit(1 if done["waiting"] else 0)
