"""Reads what people decided about the images of a source, from `verdicts.csv` in its root."""

from typing import NamedTuple

from components.ingest.config import IngestConfig
from components.ingest.sources import Source, without_ignored
from darkroom.verdicts import FILE, Verdict, is_verdicts, latest, parse


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
