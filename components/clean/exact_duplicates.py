"""Images that show the same pixels: which of them is kept, and what happens to the others."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

SPLIT_RANK = {"test": 0, "validation": 1}


@dataclass(frozen=True)
class Row:
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
    """A finding on a file that shows the same as another one.

    Attributes:
        row: The file.
        check: `duplicate` or `contradictory`.
        kept: Whether it stays.
        detail: One sentence.
        score: 1 for a duplicate (the pixels are equal), the number of answers for a contradiction.
    """

    row: Row
    check: str
    kept: bool
    detail: str
    score: float


def find_copies(rows: Sequence[Row], duplicates: str, contradictions: str) -> list[Copy]:
    """Judges all files that show the same as another file.

    The first file by path stays for the others, but one from a given test split stays before any other, and one from
    validation before train: so a picture is never trained on that is tested on as well.

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
            best_first = sorted(cluster, key=lambda row: (SPLIT_RANK.get(row.given_split or "", 2), row.path))
            contradictory = len({row.labels for row in cluster}) > 1
            findings += _contradictory(best_first, contradictions) if contradictory else _duplicate(best_first, duplicates)
    return findings


def _duplicate(cluster: list[Row], action: str) -> list[Copy]:
    first, *others = cluster
    stays = _stays(cluster, action)
    return [
        Copy(row, "duplicate", kept, f"shows the same pixels as {first.path}", 1.0) for row, kept in zip(others, stays[1:], strict=True)
    ]


def _contradictory(cluster: list[Row], action: str) -> list[Copy]:
    answers = sorted({_answer(row) for row in cluster})
    stays = [False] * len(cluster) if action == "drop" else _stays(cluster, action)
    findings = []
    for row, kept in zip(cluster, stays, strict=True):
        other = next(one for one in cluster if one.labels != row.labels)
        detail = f"is labelled {_answer(row)}, and {other.path} with the same pixels {_answer(other)}"
        findings.append(Copy(row, "contradictory", kept, detail, float(len(answers))))
    return findings


def _stays(cluster: list[Row], action: str) -> list[bool]:
    """The first stays; the others only where they are flagged and are not the very same bytes as one before."""
    seen: set[str] = set()
    stays = []
    for row in cluster:
        stays.append(not seen or (action == "flag" and row.image_id not in seen))
        seen.add(row.image_id)
    return stays


def _answer(row: Row) -> str:
    return ", ".join(repr(label) for label in sorted(row.labels)) or "nothing"
