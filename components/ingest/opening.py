"""Opening what the user named: a folder, a table beside its images, or an archive."""

from pathlib import Path

from components.ingest.archives import open_archive
from components.ingest.sources import FolderSource, Source, text
from components.ingest.tables import SUFFIXES
from darkroom.system.errors import InputError


def open_source(data: Path, max_bytes: int) -> tuple[Source, str]:
    """Opens what the user named.

    Args:
        data: A folder, a table of labels that lies beside its images, a zip or a tar (judged by content).
        max_bytes: No file above this size is read.

    Returns:
        The source, and the table's path in it where the user named a table, else an empty string.

    Raises:
        InputError: There is nothing there, it is nothing of the kind, or an archive is damaged or hostile.
    """
    if not data.exists():
        raise InputError(f"{data} does not exist: name a folder of images, a table of labels, a zip or a tar")
    if data.is_dir():
        return FolderSource(str(data), data, max_bytes), ""
    if data.suffix.lower() in SUFFIXES:
        return FolderSource(str(data), data.parent, max_bytes), text(data.name)
    return open_archive(data, max_bytes), ""
