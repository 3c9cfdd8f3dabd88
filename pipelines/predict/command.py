"""`darkroom predict`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.options import Json
from pipelines.terminal import visible


def predict(
    model: Annotated[str, typer.Argument(help="A bundle's folder, NAME@ALIAS, NAME/VERSION, or a run's id.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    as_json: Json = False,
) -> None:
    """Says what is on images.

    Example: `darkroom predict digits@champion photo.jpg`
    """
    from pipelines.predict.answers import predict_files

    answers = predict_files(model, images)
    _tabulate(answers)
    if as_json:
        print(json.dumps(answers, ensure_ascii=False))


def _tabulate(answers: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("image", "labels", "probabilities"):
        table.add_column(heading)
    for answer in answers:
        likely = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:5]
        cells = (answer["image"], ", ".join(answer["labels"]) or "none", "  ".join(f"{name} {value:.3f}" for name, value in likely))
        table.add_row(*(escape(visible(cell)) for cell in cells))
    Console(highlight=False).print(table)
