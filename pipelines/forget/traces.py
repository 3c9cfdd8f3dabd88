"""Traces of images in files of any kind: their ids and their bytes, also inside tables, databases and archives."""

import base64
import contextlib
import mmap
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.archives import DAMAGE_ERRORS, OPENERS
from darkroom.system.errors import InputError

_LEAST_BYTES = 16  # of a file that is searched for inside of others; a shorter one could stand anywhere
_SKIPPED = frozenset({".git", ".venv", "node_modules"})


@dataclass(frozen=True)
class Traces:
    """What is searched for.

    Attributes:
        contents: The images' bytes by their ids; empty where they are not to be had.
        damaged: Gets the files that could not be opened as what they are: of these only the bytes were searched, which may be compressed.
    """

    contents: Mapping[str, bytes]
    damaged: set[Path] = field(default_factory=set, compare=False)

    @cached_property
    def needles(self) -> tuple[bytes, ...]:
        """The ids, the bytes, and the bytes as pages and JSON files hold them."""
        files = [data for data in self.contents.values() if len(data) >= _LEAST_BYTES]
        return (*(name.encode() for name in self.contents), *files, *(base64.b64encode(data) for data in files))

    def in_bytes(self, data: bytes | mmap.mmap) -> bool:
        """Whether there is a trace in some bytes."""
        return any(data.find(needle) >= 0 for needle in self.needles)

    def in_file(self, path: Path) -> bool:
        """Whether there is a trace in a file; one that is damaged is searched as bytes, one that is gone has none.

        Raises:
            InputError: The file can't be read, so nobody knows.
        """
        try:
            if path.is_symlink() or not path.is_file() or not path.stat().st_size:
                return False
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return bytes(data[:]) in self.contents.values() if len(data) < _LEAST_BYTES else self._in_mapped(path, data)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unknown(error, path) from None

    def _in_mapped(self, path: Path, data: mmap.mmap) -> bool:
        kinds = {b"PAR1": self._in_parquet, b"SQLi": self._in_database, b"PK\x03\x04": self._in_zip}
        kinds |= {magic: partial(self._in_compressed, opener) for magic, opener in OPENERS.items()}
        read = next((read for magic, read in kinds.items() if data[: len(magic)] == magic), None)
        if read:
            try:
                if read(path):
                    return True
            except (pa.ArrowException, sqlite3.Error, *DAMAGE_ERRORS):
                self.damaged.add(path)
        return self.in_bytes(data)

    def _in_parquet(self, path: Path) -> bool:
        file = pq.ParquetFile(path)
        metadata = file.schema_arrow.metadata or {}
        if any(map(self.in_bytes, metadata.values())):
            return True
        return any(self._in_values(batch.to_pydict().values()) for batch in file.iter_batches())

    def _in_database(self, path: Path) -> bool:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return any(self._in_values(row) for name in tables for row in store.execute(f'SELECT * FROM "{name}"'))

    def _in_zip(self, path: Path) -> bool:
        with zipfile.ZipFile(path) as members:
            return any(self.in_bytes(members.read(name)) for name in members.namelist())

    def _in_compressed(self, opener: Callable[[BinaryIO], Any], path: Path) -> bool:
        with path.open("rb") as packed, opener(packed) as file:
            return self.in_bytes(file.read())

    def _in_values(self, values: Iterable[Any]) -> bool:
        return any(self._in_value(value) for value in values)

    def _in_value(self, value: Any) -> bool:
        if isinstance(value, str):
            return self.in_bytes(value.encode(errors="replace"))
        if isinstance(value, bytes):
            return value in self.contents.values() or self.in_bytes(value)
        if isinstance(value, dict):
            return self._in_values(value.values())
        return isinstance(value, list | tuple) and self._in_values(value)

    def in_folder(self, folder: Path) -> bool:
        """Whether there is a trace in any file of a folder."""
        return any(map(self.in_file, all_files(folder)))


def all_files(folder: Path, skipped: frozenset[str] = _SKIPPED) -> Iterator[Path]:
    """The files in a folder and below it, hidden ones too, without those of git and of virtual environments; of a file, itself.

    Raises:
        InputError: A folder can't be read.
    """

    if folder.is_file():
        yield folder

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise _unknown(error, Path(error.filename or folder)) from None

    for root, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(set(folders) - skipped)
        yield from (Path(root) / name for name in sorted(names))


def _unknown(error: OSError, path: Path) -> InputError:
    problem = f"{path} can't be read ({error.strerror}), so it can't be said whether it holds the image"
    return InputError(problem, "make it readable, or delete it, and repeat the command")
