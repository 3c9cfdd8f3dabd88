"""Tables that are packed, one in a file: `labels.csv.gz`, `train.csv.zip`."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from typing import Any

from components.ingest.archives import DAMAGE_ERRORS
from darkroom.data_files import PACKED_SUFFIXES
from darkroom.system.errors import InputError

MAX_BYTES = 2**30  # of an unpacked table
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def unpacked(name: str, data: bytes) -> tuple[str, bytes]:
    """A table's name without the packing's suffix, and its own bytes; both as they are if it isn't packed.

    Args:
        name: Its path in the source.
        data: Its bytes.

    Raises:
        InputError: It is damaged, holds several files, or unpacks to more than a table of labels has.
    """
    plain_name, _, suffix = name.rpartition(".")
    if f".{suffix.lower()}" not in PACKED_SUFFIXES:
        return name, data
    try:
        with _open(name, f".{suffix.lower()}", io.BytesIO(data)) as file:
            content = file.read(MAX_BYTES + 1)
    except DAMAGE_ERRORS as error:
        raise InputError(f"{name} can't be unpacked ({error}): pack it again, or put the table itself there") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} unpacks to more than a table of labels holds ({MAX_BYTES / 2**30:g} GB): take out what is not needed")
    return plain_name, content


def _open(name: str, suffix: str, raw: io.BytesIO) -> Any:
    if suffix != ".zip":
        return _OPENERS[suffix](raw)
    archive = zipfile.ZipFile(raw)
    members = [member for member in archive.namelist() if not member.endswith("/") and not member.startswith("__MACOSX/")]
    if len(members) != 1:
        raise InputError(f"{name} holds {len(members)} files, not one table: unpack it")
    return archive.open(members[0])
