"""`darkroom predict`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.options import Json
from pipelines.project import bundle_name
from pipelines.table import print_table


def predict(
    model: Annotated[
        str, typer.Argument(parser=bundle_name, metavar="MODEL", help="A bundle's folder, NAME@ALIAS, NAME/VERSION, or a run's id.")
    ],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    as_json: Json = False,
) -> None:
    """Says what is on images.

    Example: `darkroom predict digits@champion photo.jpg`
    """
    from pipelines.predict.answers import predict_files

    answers = predict_files(model, images)
    rows = [[answer["image"], ", ".join(answer["labels"]) or "none", _most_probable(answer)] for answer in answers]
    print_table(("image", "labels", "probabilities"), rows)
    if as_json:
        print(json.dumps(answers, ensure_ascii=False))


def _most_probable(answer: dict[str, Any]) -> str:
    """The five most probable classes."""
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:5]
    return "  ".join(f"{name} {value:.3f}" for name, value in ranked)
