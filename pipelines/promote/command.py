"""The commands that show models and move the alias `champion`."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from pipelines.options import Json
from pipelines.table import print_table
from pipelines.terminal import visible


def models(name: Annotated[str, typer.Argument(help="A model; all where none is given.")] = "", as_json: Json = False) -> None:
    """Shows registered models: versions, aliases, measures with their 95 % intervals, decisions and reasons.

    Example: `darkroom models digits`
    """
    from pipelines.promote.models import overview

    found = overview(name)
    for model in found:
        _show(model)
    if not found:
        print("the registry has no model yet: train one with `darkroom run`", file=sys.stderr)
    if as_json:
        print(json.dumps({"models": found}, ensure_ascii=False))


def promote(
    version: Annotated[str, typer.Argument(metavar="NAME/VERSION", help="The version that is to be champion.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the model.")],
    as_json: Json = False,
) -> None:
    """Makes a version the champion by hand.

    Example: `darkroom promote digits/3 --reason "the only one without that bug"`
    """
    from pipelines.promote import models

    _report(models.promote(version, reason), as_json)


def rollback(
    name: Annotated[str, typer.Argument(help="The model.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the model.")] = "",
    as_json: Json = False,
) -> None:
    """Moves the alias `champion` back to the version that had it before; run twice, it goes two versions back.

    Example: `darkroom rollback digits --reason "worse in the field"`
    """
    from pipelines.promote import models

    _report(models.rollback(name, reason), as_json)


def _report(done: dict[str, Any], as_json: bool) -> None:
    from pipelines.messages import promotion_message, send
    from pipelines.progress import Progress

    before = f", version {done['previous']} before" if done["previous"] else ""
    print(f"champion of {done['name']} is version {done['version']}{before if done['moved'] else ', as it was already'}")
    if done["moved"]:
        send(promotion_message(done), Progress())
    if as_json:
        print(json.dumps(done, ensure_ascii=False))


def _show(model: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(Text(visible(model["name"]), "bold"), soft_wrap=True)
    rows = [
        [
            str(version["version"]),
            ", ".join(version["aliases"]),
            _with_interval(version["metrics"].get("f1_macro")),
            _with_interval(version["metrics"].get("accuracy")),
            version["variant"],
            version["data_version"][:8],
            version["decision"] or "none",
            version["reason"] if version["decision"] else "the run that made it was stopped before it decided",
            version["by_hand"],
        ]
        for version in model["versions"]
    ]
    headings = ("version", "alias", "f1_macro", "accuracy", "variant", "data", "decision", "reason", "by hand")
    print_table(headings, rows, console, prose=("reason",))


def _with_interval(measure: dict[str, float] | None) -> str:
    if measure is None:
        return ""
    interval = f" [{measure['low']:.3f}, {measure['high']:.3f}]" if "low" in measure else ""
    return f"{measure['value']:.3f}{interval}"
