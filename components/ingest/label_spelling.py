"""Labels that differ in case or blanks only: kept as they are, or folded into one."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace

from components.ingest.labels import Labels
from components.ingest.listing import Listing, first_few
from darkroom.spelling import folded


def spellings(labels: Iterable[str]) -> list[list[tuple[str, int]]]:
    """The labels that differ from others in case or blanks only, with their numbers, one list a label, the most frequent spelling first."""
    alike: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for label, number in sorted(Counter(labels).items(), key=lambda item: (-item[1], item[0])):
        alike[folded(label)].append((label, number))
    return [found for _, found in sorted(alike.items()) if len(found) > 1]


def doubts(labels: Iterable[str]) -> list[str]:
    """A warning that names the labels that may be one."""
    named = [" and ".join(f"{label!r} ({number:,})" for label, number in found) for found in spellings(labels)]
    if not named:
        return []
    return [
        f"labels that differ in case or blanks only are different classes: {first_few(named, 6)}: set ingest.labels to fold to join them"
    ]


def fold_labels(labels: Labels) -> Labels:
    """The labels of a table's rows, each in one spelling."""
    notes = _told(label for row in labels.rows for label in row or ())
    rows = [row and _folded(row) for row in labels.rows]
    return replace(labels, rows=rows, classes=_folded(labels.classes), notes=(*labels.notes, *notes))


def fold_listing(listing: Listing) -> Listing:
    """A listing whose labels are each in one spelling."""
    notes = _told(label for file in listing.files for label in file.labels)
    files = [file._replace(labels=_folded(file.labels)) for file in listing.files] if notes else listing.files
    return replace(listing, files=files, classes=_folded(listing.classes), notes=(*listing.notes, *notes))


def _told(labels: Iterable[str]) -> list[str]:
    """A sentence about the labels that are written otherwise now."""
    counts = Counter(labels)
    said = [f"{label!r} ({number:,}) is {folded(label)!r}" for label, number in sorted(counts.items()) if folded(label) != label]
    return [f"labels are in small letters, with single blanks (ingest.labels is fold): {first_few(said, 6)}"] if said else []


def _folded(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(folded, labels)))
