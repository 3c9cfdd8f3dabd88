"""Finds images of equal pixels, and decides which of them are kept."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SPLIT_RANK = {"test": 0, "validation": 1}


class Row(NamedTuple):
    """A delivered file that can be used.

    Attributes:
        path: Its path.
        image_id: Hash of its bytes.
        pixels: Hash of its pixels.
        labels: What it shows.
        given_split: The split that the source gives, or none.
    """

    path: str
    image_id: str
    pixels: str
    labels: frozenset[str]
    given_split: str | None = None


@dataclass(frozen=True)
class Copy:
    """A finding about a file whose pixels equal those of another file.

    Attributes:
        row: The file.
        check: `duplicate` or `contradictory`.
        kept: Whether the file stays in the manifest.
        detail: One sentence.
        score: 1 for a duplicate; the number of different sets of labels for a contradiction.
        other: Path of the file whose pixels it has.
    """

    row: Row
    check: str
    kept: bool
    detail: str
    score: float
    other: str


def find_copies(rows: Sequence[Row], duplicates: str, contradictions: str) -> list[Copy]:
    """Finds all files whose pixels equal those of another file.

    Of equal files the first by path is kept; a file of a given test split takes precedence over one of validation, and that
    over one of train, so that no image of the test split is also trained on.

    Args:
        rows: Usable files, sorted by path.
        duplicates: `drop` or `flag`; files of the very same bytes are reduced to one in any case, as `image_id` names one row.
        contradictions: `drop` (all of them), `keep_first` or `flag`.

    Returns:
        Findings, in the order of the first file of each set of copies.
    """
    clusters: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        clusters[row.pixels].append(row)
    findings = []
    for cluster in clusters.values():
        if len(cluster) > 1:
            ranked = sorted(cluster, key=lambda row: (SPLIT_RANK.get(row.given_split or "", 2), row.path))
            contradictory = len({row.labels for row in cluster}) > 1
            findings += _find_contradictions(ranked, contradictions) if contradictory else _find_duplicates(ranked, duplicates)
    return findings


def _find_duplicates(cluster: list[Row], action: str) -> list[Copy]:
    first, *others = cluster
    kept_flags = _flag_kept(cluster, action)
    return [
        Copy(row, "duplicate", kept, f"shows the same pixels as {first.path}", 1.0, first.path)
        for row, kept in zip(others, kept_flags[1:], strict=True)
    ]


def _find_contradictions(cluster: list[Row], action: str) -> list[Copy]:
    label_sets = sorted({_quote_labels(row) for row in cluster})
    kept_flags = [False] * len(cluster) if action == "drop" else _flag_kept(cluster, action)
    findings = []
    for row, kept in zip(cluster, kept_flags, strict=True):
        other = next(one for one in cluster if one.labels != row.labels)
        detail = f"is labelled {_quote_labels(row)}, and {other.path} with the same pixels {_quote_labels(other)}"
        findings.append(Copy(row, "contradictory", kept, detail, float(len(label_sets)), other.path))
    return findings


def _flag_kept(cluster: list[Row], action: str) -> list[bool]:
    """The first is kept; others only if they are to be flagged and no file before them has the same bytes."""
    seen: set[str] = set()
    kept_flags = []
    for row in cluster:
        kept_flags.append(not seen or (action == "flag" and row.image_id not in seen))
        seen.add(row.image_id)
    return kept_flags


def _quote_labels(row: Row) -> str:
    return ", ".join(repr(label) for label in sorted(row.labels)) or "nothing"
