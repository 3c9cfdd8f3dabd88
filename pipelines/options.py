"""Options that several commands have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass
class Output:
    """How the command that runs answers; `pipelines.cli.main` reads it where the command fails.

    Attributes:
        as_json: Whether standard output ends with one JSON object.
    """

    as_json: bool = False


def _set_as_json(context: typer.Context, as_json: bool) -> bool:
    context.ensure_object(Output).as_json = as_json
    return as_json


Sets = Annotated[list[str] | None, typer.Option("--set", metavar="STEP.NAME=VALUE", help="A setting over params.yaml's; repeatable.")]
Json = Annotated[bool, typer.Option("--json", callback=_set_as_json, help="End standard output with one JSON object.")]
Params = Annotated[Path, typer.Option(help="The file of settings.")]
Source = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="A folder, a zip or a tar, or git+ADDRESS@REVISION#PATH of a DVC repository; data/ where none is given.",
    ),
]
DEFAULT_PARAMS = Path("params.yaml")
