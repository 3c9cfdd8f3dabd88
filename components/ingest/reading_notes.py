"""The sentences that say first how a source was read: labels, classes with counts, given splits, groups."""

from collections import Counter
from collections.abc import Set as AbstractSet

from components.ingest.listing import Listing, first_few, sort_labels

MAX_CLASSES = 12  # that are named


def reading_notes(listing: Listing, pictures: AbstractSet[str]) -> tuple[str, ...]:
    """The notes of a listing, those first that say how it was read.

    Args:
        listing: The listing; the first of its notes says where labels are from, if a table names the files.
        pictures: The paths of the files that are pictures, as their content says.

    Returns:
        Where labels are from, the classes with the files of each, the given splits, the groups, and then what else was noted.
    """
    files = [file for file in listing.files if file.path in pictures]
    by_table = listing.named or listing.user_columns is not None
    said = listing.notes[:1] if by_table else ("labels from the class folders",)
    counts = Counter(label for file in files for label in file.labels)
    classes = [f"{name}: {counts[name]:,}" for name in listing.classes or sort_labels(set(counts))]
    splits = Counter(file.given_split or "not given" for file in files)
    groups = {file.group for file in files} - {None}
    lines = [f"{len(classes)} classes in {len(files):,} files: {first_few(classes, MAX_CLASSES)}"]
    if set(splits) - {"not given"}:
        lines.append("given splits: " + ", ".join(f"{name} {num:,}" for name, num in sorted(splits.items())))
    if groups:
        lines.append(f"{len(groups):,} groups stay together")
    return (*said, *lines, *listing.notes[len(said) if by_table else 0 :])
