"""Prints a comparison of two runs."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.compare.compare import Comparison
from pipelines.compare.runs_table import value

_NONE = "-"


def show(comparison: Comparison, console: Console) -> None:
    """Prints what differed, and what it did to each measure.

    Args:
        comparison: Of two runs.
        console: Where to.
    """
    before, after = comparison.before, comparison.after
    if not console.is_terminal:
        console.width = 10_000
    runs = Table(box=None, pad_edge=False)
    for heading in ("", "before", "after"):
        runs.add_column(heading)
    for name in ("run_id", "name", "experiment", "status", "model"):
        runs.add_row(name.removesuffix("_id"), getattr(before, name) or _NONE, getattr(after, name) or _NONE)
    console.print(runs, markup=False)
    _section(console, "data", comparison.data, _images(comparison.changes))
    _section(console, "settings", comparison.settings)
    _section(console, "code", comparison.code)
    _section(console, "environment", comparison.environment)
    _measures(console, comparison)


def why_best(comparison: Comparison, measure: str) -> str:
    """Which of two runs is the better one by a measure, by how much, and what the two differ in; a sentence.

    Args:
        comparison: Of the second best run with the best.
        measure: A column of the list of runs, in which both have a number.
    """
    second, best = comparison.before, comparison.after
    best_value, second_value = value(best, measure), value(second, measure)
    change = next((row["change"] for row in comparison.measures if row["measure"] == measure and "change" in row), None)
    lead = f"{change['change']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}] on {comparison.shared} test images: " if change else ""
    verdict = change["verdict"] if change else "as good" if best_value == second_value else f"{best_value:.4f} against {second_value:.4f}"
    settings = [f"{name}={_text(pair[1])} (there {_text(pair[0])})" for name, pair in comparison.settings.items()]
    others = ("data", "code", "environment")
    differing = [*settings, *(f"the {name}" for name in others if getattr(comparison, name))]
    return (
        f"best by {measure}: {best.run_id[:8]} ({best.name}), {best_value:.4f}; against the next, {second.run_id[:8]}, {lead}{verdict}; "
        f"they differ in {', '.join(differing) or 'nothing that is known'}"
    )


def _section(console: Console, title: str, pairs: Mapping[str, tuple[Any, Any]], note: str = "") -> None:
    if not pairs:
        console.print(f"\n[bold]{title}[/]  the same", highlight=False)
        return
    console.print(f"\n[bold]{title}[/]{'  ' + note if note else ''}")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, (before, after) in pairs.items():
        table.add_row(f"  {name}", _text(before), "→", _text(after))
    console.print(table, markup=False)


def _images(changes: Mapping[str, int]) -> str:
    return ", ".join(f"{number} images {what}" for what, number in changes.items() if number)


def _measures(console: Console, comparison: Comparison) -> None:
    if not comparison.measures:
        console.print("\n[bold]measures[/]  neither run has any")
        return
    compared = f"on {comparison.shared} test images that both have answered" if comparison.shared else comparison.note
    console.print(
        f"\n[bold]measures[/]  with 95 % intervals; the change {compared}" if comparison.shared else f"\n[bold]measures[/]  {compared}"
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("", "before", "after", "change", ""):
        table.add_column(heading)
    for row in comparison.measures:
        change = row.get("change")
        changed = f"{change['change']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]" if change else ""
        table.add_row(f"  {row['measure']}", _score(row["before"]), _score(row["after"]), changed, change["verdict"] if change else "")
    console.print(table, markup=False)


def _score(score: Mapping[str, Any]) -> str:
    if score["value"] is None:
        return _NONE
    limits = f" [{score['low']:.4f}, {score['high']:.4f}]" if "low" in score else ""
    return f"{score['value']:.4f}{limits}"


def _text(value: Any) -> str:
    if value is None or value == "":
        return _NONE
    return f"{value:g}" if isinstance(value, float) else str(value)
