"""Reads what people decided about the images of a source, from `verdicts.csv` in its root, and takes the images that only they label."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa

from components.ingest.columns import NONE
from components.ingest.config import IngestConfig
from components.ingest.kept_images import KeptFiles
from components.ingest.listing import Listed, Listing, has_image_suffix
from components.ingest.shards import TABLE
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


def without_label(source: Source, listing: Listing, config: IngestConfig, table: str) -> list[str]:
    """The images of a source that have no label: of a table that the user named, those in it; beside others there may be other tables.

    Args:
        source: The files.
        listing: Those with a label.
        config: How the source is read.
        table: See `components.ingest.catalogue.open_source`.
    """
    if table not in ("", TABLE) or config.table not in ("", NONE):
        return sorted(set(listing.unlabelled))
    listed = {file.path for file in listing.files}
    return [path for path in without_ignored(source, config.ignore)[0].sizes if path not in listed and has_image_suffix(path)]


def with_labelled(source: Source, listing: Listing, unlabelled: Sequence[str], verdicts: Sequence[Verdict], kept: KeptFiles) -> Listing:
    """A listing with the images that have no label in the source, but one by a person's verdict.

    Args:
        source: The files.
        listing: Those with a label.
        unlabelled: Those without, see `without_label`.
        verdicts: What people decided, also elsewhere than in the source.
        kept: What is known of the files.

    Raises:
        InputError: A verdict gives a label that is no class.
    """
    given = {name: verdict for name, verdict in latest(verdicts).items() if verdict.word == RELABEL}
    if not given:
        return listing
    classes = set(listing.classes) or {label for file in listing.files for label in file.labels}
    found = [
        Listed(path, given[name].labels(classes, multilabel=listing.multilabel))
        for path, name in _named(source, unlabelled, kept)
        if name in given
    ]
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


def _named(source: Source, paths: Sequence[str], kept: KeptFiles) -> Iterator[tuple[str, str]]:
    """Paths with the ids of what they hold; what is kept is not read."""
    stamps = kept.stamps(source, paths)
    known = {path: found[0] for path in paths if (found := kept.store.find(stamps.get(path, "")))}
    yield from known.items()
    yield from ((file.path, image_id(file.data)) for file in source.read([path for path in paths if path not in known]) if file.whole)


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
