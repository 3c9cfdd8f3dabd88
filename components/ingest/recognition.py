"""What a delivered file is: a picture, one that can't be decoded, or nothing that anybody asked for."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from components.ingest.listing import first_few, has_image_suffix
from components.ingest.sources import File
from darkroom.file_formats import FileFormat, undecoded_format
from darkroom.pixels import UnreadableError, size


class Recognized(NamedTuple):
    """A file that counts as delivered.

    Attributes:
        size: Width and height in pixels; none where they can't be read.
        undecoded: Its format where that is not decoded.
        packed: Whether its bytes go on: not those of a file above the size limit, and not where the suffix says that they would
            be dropped for their format.
    """

    size: tuple[int, int] | None
    undecoded: FileFormat | None
    packed: bool


def recognize(file: File, *, named: bool) -> Recognized | None:
    """Recognizes a file by its content, and by its suffix where the content tells nothing.

    Args:
        file: The file, or the beginning of one that is above the size limit.
        named: Whether a table names it: then it counts whatever it is.

    Returns:
        What it is; nothing where it is no image.
    """
    undecoded = undecoded_format(file.path, file.data)
    shape = None if undecoded else _size(file.data)
    if not (named or shape or undecoded or has_image_suffix(file.path)):
        return None
    return Recognized(shape, undecoded, file.whole and not (undecoded and undecoded_format(file.path)))


def undecoded_notes(formats: Iterable[tuple[str, FileFormat]]) -> list[str]:
    """A sentence for each format that is not decoded, the most frequent first.

    Args:
        formats: Paths of files, and their formats.
    """
    paths: dict[FileFormat, list[str]] = defaultdict(list)
    for path, found in formats:
        paths[found].append(path)
    order = sorted(paths.items(), key=lambda item: (-len(item[1]), item[0].name))
    return [f"{len(names):,} file(s) are dropped ({first_few(names)}): {found}" for found, names in order]


def _size(data: bytes) -> tuple[int, int] | None:
    try:
        return size(data)
    except UnreadableError:
        return None
