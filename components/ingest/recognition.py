"""What a delivered file is: a picture, one that can't be decoded, or nothing that anybody asked for."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from components.ingest.listing import first_few, has_image_suffix
from components.ingest.sources import File
from darkroom.file_formats import FileFormat, undecoded_format
from darkroom.picture_info import PictureInfo, read_info, read_plain_info
from darkroom.pixels import UnreadableError


class Recognized(NamedTuple):
    """A file that counts as delivered.

    Attributes:
        info: What its header says; none where that can't be read.
        undecoded: Its format where that is not decoded.
        packed: Whether its bytes go on: not those of a file above the size limit, and not where the suffix says that they would
            be dropped for their format.
        image_id: Where an earlier run packed it, and its bytes are from there; else an empty text.
    """

    info: PictureInfo | None
    undecoded: FileFormat | None
    packed: bool
    image_id: str = ""


def recognize(file: File, *, named: bool) -> Recognized | None:
    """Recognizes a file by its content, and by its suffix where the content tells nothing.

    Args:
        file: The file, or the beginning of one that is above the size limit.
        named: Whether a table names it: then it counts whatever it is.

    Returns:
        What it is; nothing where it is no image.
    """
    if file.whole and (info := read_plain_info(file.data)):
        return Recognized(info, None, packed=True)
    undecoded = undecoded_format(file.path, file.data)
    info = None if undecoded else _info(file.data)
    if not (named or info or undecoded or has_image_suffix(file.path)):
        return None
    return Recognized(info, undecoded, file.whole and not (undecoded and undecoded_format(file.path)))


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


def _info(data: bytes) -> PictureInfo | None:
    try:
        return read_info(data)
    except UnreadableError:
        return None
