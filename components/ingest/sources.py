"""The data sources: a folder here, a zip or a tar in `archives`; all are read without unpacking, and none is trusted.

A source lists its files by path (relative, `/` between the parts) and reads them one after the other. Names that lead
out of an archive, links and devices in it, and members above the size limit are refused with the member named, before
anything is read. Nothing is unpacked to disk.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from darkroom.system.errors import InputError
from darkroom.system.parallel import ordered

HEAD_BYTES = 65536
SPLIT_FOLDERS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
JUNK = {"__pycache__", "__macosx", "thumbs.db", "desktop.ini", "$recycle.bin"}


@dataclass(frozen=True)
class File:
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
        sizes: Bytes by path, sorted by path, without junk (see `is_junk`).
        num_junk: Number of junk files.
    """

    name: str
    sizes: dict[str, int]
    num_junk: int

    def read(self, paths: Sequence[str]) -> Iterator[File]:
        """Reads files, in an order of its own."""
        ...

    def read_table(self, path: str) -> bytes:
        """Reads one file whole."""
        ...


def is_junk(path: str) -> bool:
    """Whether a path is a hidden file, a cache, or one of the files that macOS and Windows add to folders."""
    return any(part.startswith(".") or part.lower() in JUNK for part in path.split("/"))


def printable(name: str) -> str:
    """A file's name as text that can be stored: bytes that are not UTF-8 are written as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass
class FolderSource:
    """A folder; links are followed, and a broken link is a file of no bytes."""

    name: str
    root: Path
    max_bytes: int
    sizes: dict[str, int] = field(default_factory=dict)
    num_junk: int = 0
    _places: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._scan(str(self.root), "", (os.path.realpath(self.root),))
        except PermissionError as error:
            raise InputError(f"{error.filename} may not be read: give this user the right to read it") from None
        self.sizes = dict(sorted(self.sizes.items()))

    def _scan(self, folder: str, prefix: str, above: tuple[str, ...]) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                path = prefix + printable(entry.name)
                if is_junk(path):
                    self.num_junk += 1
                elif entry.is_dir():
                    real = os.path.realpath(entry.path) if entry.is_symlink() else f"{above[-1]}/{entry.name}"
                    if real not in above:  # a link to a folder above it would be followed endlessly
                        self._scan(entry.path, path + "/", (*above, real))
                else:
                    self._add(entry, path)

    def _add(self, entry: os.DirEntry[str], path: str) -> None:
        try:
            status = entry.stat()
        except PermissionError:
            raise
        except OSError:
            self.sizes[path] = 0  # a broken link
            return
        if stat.S_ISREG(status.st_mode):
            self.sizes[path], self._places[path] = status.st_size, entry.path
        else:
            self.num_junk += 1  # a pipe or a device: opening it could block

    def read(self, paths: Sequence[str]) -> Iterator[File]:
        return ordered(self._read, paths, ahead=16)

    def _read(self, path: str) -> File:
        if path not in self._places:
            return File(path, b"")
        try:
            with Path(self._places[path]).open("rb") as file:
                if self.sizes[path] > self.max_bytes:
                    return File(path, file.read(HEAD_BYTES), whole=False)
                return File(path, file.read(self.max_bytes))
        except OSError as error:
            raise InputError(f"{path} in {self.name} can't be read ({error.strerror}): repair it, or take it out") from None

    def read_table(self, path: str) -> bytes:
        file = self._read(path)
        if not file.whole:
            raise InputError(f"the table {path} in {self.name} has {self.sizes[path] / 2**20:,.0f} MB: raise ingest.max_file_mb to read it")
        return file.data
