"""The data sources: a folder here, a zip or a tar in `archives`; all are read without unpacking, and none is trusted.

A source lists its files by path (relative, `/` between the parts) and reads them one after the other. Names that lead
out of an archive, links and devices in it, and members above the size limit are refused with the member named, before
anything is read. Nothing is unpacked to disk.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from darkroom.data_files import list_files
from darkroom.system.errors import InputError
from darkroom.system.parallel import ordered

HEAD_BYTES = 65536
BATCH_FILES, BATCH_BYTES = 64, 2**20  # that a thread reads before it hands them over


class NotFetchedError(Exception):
    """A file is needed that was not fetched, as its bytes are kept elsewhere."""


class File(NamedTuple):
    """A file that was read.

    Attributes:
        path: Its path in the source.
        data: Its bytes; the first 64 KiB where it is above the size limit.
        whole: Whether `data` is all of it.
    """

    path: str
    data: bytes
    whole: bool = True


class Source(Protocol):
    """Files by path.

    Attributes:
        name: The source, as the user gave it.
        sizes: Bytes by path, sorted by path, without what is no data (see `darkroom.junk`); 0 where only reading tells them.
        num_junk: Number of files and folders that are no data.
        notes: Sentences that say how its files are found.
    """

    @property
    def root(self) -> Path:
        """The folder, or the archive."""
        ...

    name: str
    sizes: dict[str, int]
    num_junk: int
    notes: tuple[str, ...]

    def read(self, paths: Sequence[str]) -> Iterator[File]:
        """Reads files, in an order of its own."""
        ...

    def read_table(self, path: str) -> bytes:
        """Reads one file whole."""
        ...


def without_ignored(source: Source, patterns: Sequence[str]) -> tuple[Source, tuple[str, ...]]:
    """A source without files that the user leaves out, and sentences about them.

    Args:
        source: The files.
        patterns: Names of files and of folders, or paths of them, with `*` and `?` as in a shell.
    """
    notes, sizes = [], source.sizes
    for pattern in patterns:
        kept = {path: size for path, size in sizes.items() if not _matches(path, pattern.removeprefix("./").strip("/"))}
        found = f"leaves out {len(sizes) - len(kept):,} file(s)" if len(kept) < len(sizes) else "names nothing that is here"
        notes.append(f"{pattern!r} in ingest.ignore {found}")
        sizes = kept
    remaining = copy(source)
    remaining.sizes = sizes
    return remaining, tuple(notes)


def _matches(path: str, pattern: str) -> bool:
    parts = path.split("/")
    places = ["/".join(parts[: number + 1]) for number in range(len(parts))] if "/" in pattern else parts
    return any(fnmatchcase(place, pattern) for place in places)


class FolderSource:
    """A folder, or the folder around a table of labels; links are followed, and a broken link is a file of no bytes.

    `places` says where each file is on this disk; an empty text where it is not.

    Args:
        data: The folder or the table.
        max_bytes: Of a larger file only the first bytes are read.
        kept: Bytes by path of files that were not fetched into the folder: they are listed, and reading one is a `NotFetchedError`.

    Raises:
        InputError: It may not be read.
    """

    def __init__(self, data: Path, max_bytes: int, kept: Mapping[str, int] = MappingProxyType({})) -> None:
        files = list_files(data)
        self.root = data if data.is_dir() else data.parent
        self.notes: tuple[str, ...] = ()
        self.name = str(self.root)
        self.sizes, self.num_junk = files.sizes, files.num_skipped
        self._max_bytes, self.places, self._kept = max_bytes, files.places, kept
        if kept:
            self.sizes = dict(sorted({**files.sizes, **kept}.items()))
            self.places = {path: "" if path in kept else files.places[path] for path in self.sizes}

    def read(self, paths: Sequence[str]) -> Iterator[File]:
        """Reads files, in the order of the paths."""
        return chain.from_iterable(ordered(lambda batch: [self._read(path) for path in batch], self._batches(paths), ahead=4))

    def _batches(self, paths: Sequence[str]) -> Iterator[list[str]]:
        """Files that a thread reads one after the other: to hand over a small one takes longer than to read it."""
        batch: list[str] = []
        left = BATCH_BYTES
        for path in paths:
            if batch and (len(batch) == BATCH_FILES or self.sizes[path] > left):
                yield batch
                batch, left = [], BATCH_BYTES
            batch.append(path)
            left -= self.sizes[path]
        if batch:
            yield batch

    def _read(self, path: str) -> File:
        if path in self._kept:
            raise NotFetchedError(path)
        if not self.places[path]:
            return File(path, b"")
        try:
            if self.sizes[path] > self._max_bytes:
                with Path(self.places[path]).open("rb") as file:
                    return File(path, file.read(HEAD_BYTES), whole=False)
            return File(path, _read(self.places[path], self.sizes[path]))
        except OSError as error:
            raise InputError(f"{path} in {self.name} can't be read ({error.strerror}): repair it, or take it out") from None

    def read_table(self, path: str) -> bytes:
        file = self._read(path)
        if not file.whole:
            raise InputError(f"the table {path} in {self.name} has {self.sizes[path] / 2**20:,.0f} MB: raise ingest.max_file_mb to read it")
        return file.data


def _read(place: str, num_bytes: int) -> bytes:
    """Reads a file of so many bytes, or as many as it has by now, with as few calls of the system as there can be."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        data = os.read(descriptor, num_bytes + 1)
        return data if len(data) == num_bytes else data + io.FileIO(descriptor, closefd=False).readall()
    finally:
        os.close(descriptor)
