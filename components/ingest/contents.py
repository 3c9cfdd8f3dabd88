"""Reads what a source holds without packing it: the labels of every image, by the hash of its content."""

import hashlib
import os
from pathlib import Path

from components.ingest.catalogue import list_source, open_source
from components.ingest.config import IngestConfig
from components.ingest.listing import is_picture_name
from components.ingest.recognition import recognize
from darkroom.versions.addresses import fetched


def read_contents(data: Path, config: IngestConfig) -> dict[str, frozenset[str]]:
    """Reads a source as `ingest` does, and keeps only `image_id`s and labels.

    Args:
        data: A folder, a table of labels, a zip or a tar, or an address of one in a DVC repository.
        config: How the source is read.

    Returns:
        Labels by `image_id`, for the files that `ingest` would pack; an image that two files hold has the labels of both.

    Raises:
        InputError: As `ingest` does.
    """
    with fetched(data, "") as path:
        return _contents(path, config)


def count_contents(data: Path, config: IngestConfig) -> tuple[int, int]:
    """The images and classes of a source, from names and tables alone: images are opened where their names don't tell what they are.

    Args:
        data: A folder, a table of labels, a zip or a tar.
        config: How the source is read.

    Returns:
        Different images (of a folder of links those that lead to different files), and classes.

    Raises:
        InputError: As `ingest` does.
    """
    source, table = open_source(data, int(config.max_file_mb * 2**20))
    listing = list_source(source, table, config, config.task)
    certain = {file.path for file in listing.files if listing.named or is_picture_name(file.path)}
    unclear = [file.path for file in listing.files if file.path not in certain]
    certain |= {file.path for file in source.read(unclear) if recognize(file, named=False)}
    contents = {os.path.realpath(source.root / path) if data.is_dir() else path for path in certain}
    labels = {label for file in listing.files if file.path in certain for label in file.labels}
    return len(contents), len(listing.classes or labels)


def _contents(data: Path, config: IngestConfig) -> dict[str, frozenset[str]]:
    source, table = open_source(data, int(config.max_file_mb * 2**20))
    listing = list_source(source, table, config, config.task)
    labels = {file.path: frozenset(file.labels) for file in listing.files}
    found: dict[str, frozenset[str]] = {}
    for file in source.read(list(labels)):
        if (seen := recognize(file, named=listing.named)) and seen.packed:
            name = hashlib.sha256(file.data).hexdigest()
            found[name] = found.get(name, frozenset()) | labels[file.path]
    return found
