"""Reads what people decided about the images of a source, from `verdicts.csv` in its root."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa

from components.ingest.config import IngestConfig
from components.ingest.listing import Listed, Listing, has_image_suffix
from components.ingest.sources import Source, without_ignored
from darkroom.images import image_id
from darkroom.verdicts import FILE, RELABEL, Verdict, is_verdicts, latest, parse


class VerdictFile(NamedTuple):
    """What was read.

    Attributes:
        verdicts: The one that counts of each image.
        notes: Sentences for the person who started the run.
        warnings: Sentences about what may be a mistake.
        is_read: Whether there is such a file; else `verdicts.csv`, if any, is something of the user's own.
    """

    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_read: bool = False


def with_labelled(source: Source, listing: Listing, verdicts: Sequence[Verdict], config: IngestConfig) -> Listing:
    """A listing with the images that have no label in the source, but one by a person's verdict.

    Args:
        source: The files.
        listing: Those with a label.
        verdicts: The one that counts of each image.
        config: How the source is read.

    Raises:
        InputError: A verdict gives a label that is no class.
    """
    given = {verdict.image_id: verdict for verdict in verdicts if verdict.word == RELABEL}
    listed = {file.path for file in listing.files}
    sizes = without_ignored(source, config.ignore)[0].sizes if given else {}
    classes = set(listing.classes) or {label for file in listing.files for label in file.labels}
    found = []
    for file in source.read([path for path in sizes if path not in listed and has_image_suffix(path)]):
        if file.whole and (verdict := given.get(image_id(file.data))):
            found.append(Listed(file.path, verdict.labels(classes, multilabel=listing.multilabel)))
    if not found:
        return listing
    files = [*listing.files, *found]
    order = sorted(range(len(files)), key=lambda number: files[number].path)
    columns = listing.user_columns
    if columns is not None:
        columns = columns.take(pa.array([number if number < len(listing.files) else None for number in order], pa.int64()))
    placed = {file.path for file in found}
    note = f"{len(found):,} image(s) without a label of their own have the one that a person gave them"
    return replace(
        listing,
        files=[files[number] for number in order],
        num_ignored=listing.num_ignored - len(placed - set(listing.unlabelled)),
        unlabelled=tuple(path for path in listing.unlabelled if path not in placed),
        notes=(*listing.notes, note),
        user_columns=columns,
    )


def read_verdicts(source: Source, config: IngestConfig) -> VerdictFile:
    """Reads the verdicts of a source, if it has some that `ingest.ignore` does not leave out.

    Raises:
        InputError: A line is wrong.
    """
    is_there = FILE in without_ignored(source, config.ignore)[0].sizes
    data = source.read_table(FILE) if is_there else b""
    if not data.strip():
        return VerdictFile()
    if not is_verdicts(data):
        return VerdictFile(warnings=(f"{FILE} has no column image_id and is not read: a file of that name holds people's verdicts",))
    written = parse(data, FILE)
    counting = latest(written)
    return VerdictFile(tuple(counting.values()), (f"{FILE}: {len(written):,} verdict(s) about {len(counting):,} image(s)",), is_read=True)
