"""Labels that differ in case or blanks only: kept as they are, or folded into one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from components.ingest.labels import Labels
from components.ingest.listing import Listing, first_few


def spellings(labels: Iterable[str]) -> list[list[tuple[str, int]]]:
    """The labels that differ from others in case or blanks only, with their numbers, one list a label, the most frequent spelling first."""
    alike: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for label, number in sorted(Counter(labels).items(), key=lambda item: (-item[1], item[0])):
        alike[" ".join(label.split()).casefold()].append((label, number))
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
    """The labels of a table's rows, each in its most frequent spelling."""
    kept, notes = _kept(label for row in labels.rows for label in row or ())
    rows = [row and _folded(row, kept) for row in labels.rows]
    return replace(labels, rows=rows, classes=_folded(labels.classes, kept), notes=(*labels.notes, *notes))


def fold_listing(listing: Listing) -> Listing:
    """A listing whose labels are each in their most frequent spelling."""
    kept, notes = _kept(label for file in listing.files for label in file.labels)
    if not kept:
        return listing
    files = [replace(file, labels=_folded(file.labels, kept)) for file in listing.files]
    return replace(listing, files=files, classes=_folded(listing.classes, kept), notes=(*listing.notes, *notes))


def _kept(labels: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The spelling to take in the place of each other one, and a sentence that names them."""
    found = spellings(labels)
    kept = {label: names[0][0] for names in found for label, _ in names[1:]}
    said = [f"{', '.join(f'{label!r} ({number:,})' for label, number in names[1:])} (now {names[0][0]!r})" for names in found]
    return kept, [f"labels that differ in case or blanks only, each one label now: {first_few(said, 6)}"] if found else []


def _folded(labels: tuple[str, ...], kept: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(kept.get(label, label) for label in labels))
