"""`darkroom predict`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.options import Json
from pipelines.project import bundle_name
from pipelines.table import print_table
from pipelines.terminal import print_note


def predict(
    model: Annotated[
        str,
        typer.Argument(
            parser=bundle_name,
            metavar="MODEL",
            help="NAME (champion, else newest challenger), NAME@ALIAS, NAME/VERSION, a bundle's folder, or a run's id.",
        ),
    ],
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    as_json: Json = False,
) -> None:
    """Says what is on images. Files that are no images are named, and end the command with status 1.

    Example: `darkroom predict digits@champion photo.jpg`
    """
    from pipelines.predict.answers import predict_files

    found = predict_files(model, images)
    if found.version:
        print_note(f"note: {found.version}")
    rows = [[answer["image"], ", ".join(answer["labels"]) or "none", _most_probable(answer)] for answer in found.answers]
    print_table(("image", "labels", "probabilities"), rows)
    for answer in found.answers:
        if answer["note"]:
            print_note(f"note: {answer['image']}: {answer['note']}")
    for failure in found.failures:
        print_note(f"error: {failure}")
    if as_json:
        print(json.dumps(found.answers, ensure_ascii=False))
    if found.failures:
        raise typer.Exit(1)


def _most_probable(answer: dict[str, Any]) -> str:
    """The five most probable classes."""
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:5]
    return "  ".join(f"{name} {value:.3f}" for name, value in ranked)
