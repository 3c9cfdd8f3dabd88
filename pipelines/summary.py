"""The summary: how a run's outcome is told at the terminal."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.terminal import visible


def summarise(outcome: dict[str, Any]) -> None:
    """Shows what a run ended with."""
    model, metrics, pruned = outcome["model"], outcome["metrics"], outcome["pruned"]
    floor = outcome.get("floor", {}).get("metrics", {})
    console = Console(stderr=True, highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("", "full", "pruned", "floor"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name in ("accuracy", "balanced_accuracy", "f1_macro"):
        table.add_row(name, _number(metrics.get(name)), _number(pruned["metrics"].get(name)), _number(floor.get(name)))
    table.add_row("latency", "1", _number(pruned.get("latency_ratio")))
    table.add_row("size", "1", _number(pruned.get("size_ratio")))
    console.print(table)
    if told := _leaks(outcome.get("leaks", {})):
        print(told, file=sys.stderr)
    alias = f", {model['alias']}" if model["alias"] else ""
    reason = visible(outcome.get("reason", ""))  # it may name classes
    left_out = f"{outcome['dropped']} of the delivered files left out" if outcome["dropped"] else "no file left out"
    print(f"model   {model['name']} version {model['version']} ({model['variant']}{alias}): {reason}", file=sys.stderr)
    print(f"run     {outcome['run_id']} in {outcome['experiment']!r}, data {outcome['data_version'][:12]}, {left_out}", file=sys.stderr)
    print(f"report  {outcome['report']}    compare runs: darkroom runs, darkroom ui", file=sys.stderr)


def _leaks(leaks: dict[str, Any]) -> str:
    """The warning beside the score that leaks raise; nothing where no more leaks than by chance."""
    if not leaks.get("beyond_chance"):
        return ""
    without = _number(leaks["measure_without"]) or "not defined"
    share = f"{leaks['share']:.1%} of the {leaks['num_images']:,} tested images ({leaks['low']:.1%} to {leaks['high']:.1%})"
    return f"warning {share} have a suspicious neighbour in training; without them {leaks['measure']} is {without}: see the report"


def _number(value: Callable[..., Any] | float | None) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else ""
