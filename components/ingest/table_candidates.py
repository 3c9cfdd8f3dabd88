"""The files of a source that may be tables: which are read, and whether one that can't be read names files."""

import re
from pathlib import PurePosixPath
from typing import NamedTuple

from components.ingest.csv_table import encoding_of
from components.ingest.file_names import FileNames
from components.ingest.listing import first_few, has_image_suffix
from components.ingest.sources import Source
from components.ingest.split_names import split_in
from components.ingest.unread_tables import UNREAD_TABLES, mention
from darkroom.data_files import PACKED_SUFFIXES, is_table
from darkroom.file_formats import undecoded_format
from darkroom.verdicts import FILE as VERDICTS

TEXTS = (".txt", ".json", ".xml")  # that may be tables, or anything else
MAX_DEEP_TABLES = 50  # in folders that are no splits, and texts: more are one for each image
_SUBMISSION = re.compile(r"(sample|example|dummy)?[\W_]*submissions?[\W_]*(sample|example|format)?", re.IGNORECASE)


class Candidates(NamedTuple):
    """The files that may be tables.

    Attributes:
        paths: Those that are read.
        unread: Those of formats that are not read, such as spreadsheets.
        many: Those that are too many to be read.
        notes: Sentences about others.
    """

    paths: list[str]
    unread: list[str]
    many: list[list[str]]
    notes: list[str]


def find_candidates(source: Source) -> Candidates:
    """Finds the tables in the root and in folders of splits, and those elsewhere unless they are many.

    Texts that are called as images are, as in `0.jpg` and `0.txt`, are about that image alone, and no tables: none is opened.

    Args:
        source: The files.
    """
    found = [path for path in source.sizes if is_table(path) and path != VERDICTS]
    submissions = [path for path in found if _SUBMISSION.fullmatch(PurePosixPath(path).name.partition(".")[0])]
    unread = [path for path in source.sizes if path.lower().endswith(UNREAD_TABLES) and not is_table(path)]
    beside = _beside_images(source, [*filter(is_text, found), *unread])
    apart = {*submissions, *beside}
    tables = [path for path in found if path not in apart]
    deep = [path for path in tables if not _is_near(path)]
    texts = [path for path in tables if is_text(path)]
    many = [part for part in (deep, texts) if len(part) > MAX_DEEP_TABLES]
    left_out = [
        (beside, "text(s) called as images"),
        (submissions, "table(s) of submissions, which ingest.table would name,"),
        *((part, "tables in folders that are no splits" if part is deep else "texts") for part in many),
    ]
    notes = [f"{len(part):,} {what} are not read: {first_few(part)}" for part, what in left_out if part]
    apart |= {path for part in many for path in part}
    few = len(unread) <= MAX_DEEP_TABLES
    near = [path for path in unread if path not in apart and (_is_near(path) or (few and not undecoded_format(path)))]
    return Candidates([path for path in tables if path not in apart], near, many, notes)


def is_text(path: str) -> bool:
    """Whether a file is a text, JSON or XML, which may hold anything."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes if suffix.lower() not in PACKED_SUFFIXES]
    return bool(suffixes) and suffixes[-1] in TEXTS


def names_files(source: Source, path: str, names: FileNames) -> bool:
    """Whether a table that can't be read names files: a whole name in its first bytes, or a name without its ending in most rows.

    Of a text most lines must name one, and of JSON and XML two of its texts: prose and settings may mention some.

    Args:
        source: The files.
        path: The table's.
        names: Finds files by what a table calls them.
    """
    if ".parquet" in path.lower():
        return True
    data = next(iter(source.read([path]))).data
    text = (data if is_text(path) else data[:65536]).decode(encoding_of(data), "replace")
    if {".json", ".jsonl", ".ndjson", ".xml"} & set(PurePosixPath(path.lower()).suffixes):
        return mention(re.findall(r'(?<=[">])([^"<>\n]+)(?=["<])', text), path, names)
    rows = [[word for word in re.split(r'[,;|"\s]+', line) if word] for line in text.splitlines()[:500] if line.strip()]
    whole = sum(any(has_image_suffix(word) and names.locate(word, path) for word in row) for row in rows)
    if is_text(path):
        return len(rows) > 1 and 2 * whole >= len(rows)
    naming = sum(any(not word.isdigit() and names.locate(word, path) for word in row) for row in rows[1:])
    return whole > 0 or 2 * naming > len(rows[1:])


def _is_near(path: str) -> bool:
    return all(split_in(folder) for folder in path.split("/")[:-1])


def _beside_images(source: Source, texts: list[str]) -> list[str]:
    """The texts that have the name of an image, with or without its ending."""
    if not texts:
        return []
    images = [PurePosixPath(path).name.casefold() for path in source.sizes if has_image_suffix(path)]
    known = {*images, *(name.rpartition(".")[0] for name in images)}
    return [path for path in texts if PurePosixPath(path).name.casefold().rpartition(".")[0] in known]
