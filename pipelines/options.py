"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Sets = Annotated[list[str] | None, typer.Option("--set", metavar="STEP.NAME=VALUE", help="A setting over params.yaml's; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="End standard output with one JSON object.")]
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
