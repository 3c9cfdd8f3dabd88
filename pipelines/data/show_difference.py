"""Prints a difference of two data versions, and the log of versions."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from darkroom.metrics.drift import Test
from pipelines.data.difference import KINDS, Change, DataDifference
from pipelines.data.snapshot import Snapshot
from pipelines.data.versions_log import Entry
from pipelines.sizes import in_units
from pipelines.table import print_table
from pipelines.terminal import print_note, visible

MAX_SHOWN = 10  # images of a kind; all are in the JSON
SIGNIFICANCE = 0.05
_HOW = {"added": "+", "removed": "-", "relabelled": "~", "moved": ">"}


def show_log(entries: Sequence[Entry]) -> None:
    """Prints the versions of the data, newest first."""
    headings = ["commit", "when", "data version", "images", "classes", "files", "size", "runs", "subject", "counted by"]
    print_table(headings, [_log_row(entry) for entry in entries])


def _log_row(entry: Entry) -> list[str]:
    record = entry.record
    numbers = ["-" if number is None else f"{number}" for number in (entry.num_images, entry.num_classes, record.num_files)]
    size = "-" if record.num_bytes is None else in_units(record.num_bytes)
    when = record.when.strftime("%Y-%m-%d %H:%M") if record.when else "now"
    return [record.commit[:8] or "-", when, record.md5[:12], *numbers, size, f"{len(entry.runs)}", record.subject, entry.counted]


def show_difference(found: DataDifference) -> None:
    """Prints what differs: counts, examples of each kind of change, classes, statistics and the two tests."""
    print_table(["", "before", "after"], [["data", found.before.name, found.after.name], *_versions(found.before, found.after)])
    print(f"\nimages  {', '.join(f'{len(found.changes[kind]):,} {kind}' for kind in KINDS)}, {found.num_kept:,} in both")
    for kind in KINDS:
        _show_changes(kind, found.changes[kind])
    print("\nclasses")
    print_table(["class", "before", "after", "share before", "share after", "change"], [_class_row(row) for row in found.classes])
    print("\nstatistics, median [5 %, 95 %]")
    print_table(["", "before", "after"], [[row["name"], quantiles(row["before"]), quantiles(row["after"])] for row in found.statistics])
    print(f"\ndrift  {found.compared}")
    if found.drift:
        print_table(
            ["test", "value", "p", ""], [test_row("MMD² of the vectors", found.drift.mmd), test_row("AUC of a classifier", found.drift.auc)]
        )
    for note in found.notes:
        print_note(f"note: {note}")
    sys.stdout.flush()


def test_row(name: str, test: Test) -> list[str]:
    """A test as texts: its name, value, p-value and what follows."""
    return [name, f"{test.value:.4f}", f"{test.p_value:.3f}", verdict(test)]


def verdict(test: Test) -> str:
    """What a test says, in words."""
    return "they differ" if test.p_value < SIGNIFICANCE else "within chance"


def quantiles(row: Mapping[str, Any]) -> str:
    """A statistic's quantiles as text."""
    return f"{row['median']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"


def sentence(change: Change, kind: str) -> str:
    """What happened to an image, as text.

    Args:
        change: What happened.
        kind: One of `KINDS`; of several labels an image may have none before or after it was relabelled.
    """
    if kind == "relabelled":
        return f"{change.before or 'no label'} → {change.after or 'no label'}"
    return " → ".join(part for part in (change.before, change.after) if part)


def _versions(before: Snapshot, after: Snapshot) -> list[list[str]]:
    return [
        ["data version", before.version[:12], after.version[:12]],
        ["images", f"{len(before.images):,}", f"{len(after.images):,}"],
        ["split by run", before.run_id[:8] or "-", after.run_id[:8] or "-"],
    ]


def _show_changes(kind: str, changes: Sequence[Change]) -> None:
    for change in changes[:MAX_SHOWN]:
        print(f"  {_HOW[kind]} {visible(change.path)}  {visible(sentence(change, kind))}  {change.image_id[:12]}")
    if len(changes) > MAX_SHOWN:
        print(f"  {_HOW[kind]} and {len(changes) - MAX_SHOWN:,} more {kind}")


def _class_row(row: Mapping[str, Any]) -> list[str]:
    change = 100 * (row["share_after"] - row["share_before"])
    shares = [f"{100 * row[f'share_{side}']:.1f} %" for side in ("before", "after")]
    return [row["name"], f"{row['before']}", f"{row['after']}", *shares, f"{change:+.1f}"]
