"""The listing of a source: its files with their labels, groups and splits."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from darkroom.file_formats import ARCHIVE, undecoded_format

_ENDINGS = (
    "jpg jpeg jpe jfif png apng gif bmp dib tif tiff webp avif jp2 j2k mpo psd pgm ppm pbm pnm tga ico pcx qoi dds heic heif hif dcm dicom"
)
IMAGE_SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())

_LONGEST = 200  # characters of a name in a message


class Listed(NamedTuple):
    """A file with its labels.

    Attributes:
        path: Its path in the source.
        labels: Its labels; exactly one in a single-label task.
        group: What must stay in one split (patient, product), or none.
        given_split: `train`, `validation` or `test` if the source gives one.
    """

    path: str
    labels: tuple[str, ...]
    group: str | None = None
    given_split: str | None = None


@dataclass(frozen=True)
class Listing:
    """All files of a source that may be images.

    Attributes:
        files: Files with labels, sorted by path.
        classes: Labels in the source's own order, those that never occur included; empty for the sorted ones that occur.
        multilabel: Whether a file may have several labels, or none.
        named: Whether a table names the files: then each of them counts as delivered, whatever is in it.
        num_ignored: Files that are not listed.
        unlabelled: Files that a table names without a label, left out; one that several rows name, as often.
        num_missing: Rows of a table whose file does not exist, left out.
        notes: Sentences for the log.
        user_columns: A row a file: the columns of the user's own table that mean nothing to Darkroom; none without a table.
    """

    files: list[Listed]
    classes: tuple[str, ...] = ()
    multilabel: bool = False
    named: bool = False
    num_ignored: int = 0
    unlabelled: tuple[str, ...] = ()
    num_missing: int = 0
    notes: tuple[str, ...] = ()
    user_columns: pa.Table | None = None


def has_image_suffix(path: str) -> bool:
    """Whether a file's suffix is that of an image."""
    return path[path.rfind(".") :].lower() in IMAGE_SUFFIXES


def is_picture_name(path: str) -> bool:
    """Whether a file's suffix is that of an image, or of a format that could show one and is not decoded."""
    return _is_picture_ending(path[path.rfind(".") :])


@lru_cache(4096)
def _is_picture_ending(ending: str) -> bool:
    return ending.lower() in IMAGE_SUFFIXES or undecoded_format(f"name{ending}") is not None


def packed_archives(paths: Iterable[str]) -> list[str]:
    """The files that are archives by their suffix, whose images nobody has unpacked."""
    return [path for path in paths if not has_image_suffix(path) and undecoded_format(path) is ARCHIVE]


def sort_labels(labels: set[str]) -> tuple[str, ...]:
    """Labels in alphabetical order, or in numerical order if all are whole numbers (10 follows 9)."""
    if all(label.isascii() and label.isdigit() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def first_few(names: list[str], limit: int = 3) -> str:
    """The first few of many names, for a message."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..." for name in names[:limit]) + more
