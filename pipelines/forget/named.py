"""What a cell may hold that is an image or names it: its bytes, its id, its path, and whatever else `ingest` finds its file by."""

import re
import unicodedata
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from components.ingest.config import IngestConfig
from components.ingest.file_names import FileNames
from components.ingest.label_studio import path_of_task
from components.ingest.listing import has_image_suffix
from components.ingest.naming_tables import find_tables
from components.ingest.sources import FolderSource
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from pipelines.forget.subject import Subject, places_of

Cells = Mapping[str, Set[str]]  # by column


@dataclass(frozen=True)
class Named:
    """What names some images.

    Attributes:
        texts: Whole texts, and their bytes, that do so in any cell.
        gone: Their paths.
        files: Finds files by what tables call them, these among them; or none.
        tables: What names them in the tables of the data, by table and by the column that names its files.
        table: The table that is looked at; empty for one that is none of the data's: no column of it is known to name files.
        encoding: Of the tables' text, as `ingest.encoding` has it.
    """

    texts: Set[str | bytes]
    gone: Set[str] = frozenset()
    files: FileNames | None = None
    tables: Mapping[str, Cells] = field(default_factory=dict)
    table: str = ""
    encoding: str = "auto"

    def in_table(self, path: str) -> "Named":
        """The same, for a table of the data."""
        return replace(self, table=path)

    def is_by(self, value: Any, column: str = "") -> bool:
        """Whether a value is or names one of the images.

        Args:
            value: A cell.
            column: Its column: a number, or a name without an ending, is a name only in the one that names files.
        """
        if isinstance(value, bytes):
            return value in self.texts
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return False
        text = (f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)).strip()
        return text in self.texts or text in self.cells.get(column, ()) or self._is_address(text)

    @property
    def cells(self) -> Cells:
        """What names them in the present table."""
        return self.tables.get(self.table, {})

    @cached_property
    def _stems(self) -> tuple[str, ...]:
        return tuple({_folded(PurePosixPath(path).stem) for path in self.gone})

    def _is_address(self, text: str) -> bool:
        """Whether a file's name with its ending, or a path that ends in one, written in any way, means one of them and nothing else."""
        written = _folded(unquote(text))
        if not self.files or not any(stem in written for stem in self._stems):
            return False
        address = path_of_task(text, self.table, self.files)
        return has_image_suffix(re.split("[?#]", address)[0]) and _are_gone(self.files.locate(address, self.table), self.gone)


def named(data: Path, subject: Subject, settings: Mapping[str, Any]) -> Named:
    """What names the images in tables of the data, now and in its earlier versions.

    Args:
        data: The source.
        subject: The images.
        settings: Those of `ingest`, by which tables are read.
    """
    root, places, others = (data if data.is_dir() else data.parent), places_of(data), set[str]()
    held, paths = {place.absolute() for place in subject.places}, set(places)
    gone = frozenset(path for path in subject.paths if path not in places or Path(places[path]).absolute() in held)  # else another's now
    for path in paths - gone:
        others |= _ends(path)
    ends = {end for path in gone for end in _ends(path) - others}
    contents = filter(None, subject.contents.values())
    files, config = FileNames(sorted(paths | gone), root), parse(IngestConfig, "ingest", settings)
    tables: dict[str, Cells] = {}
    with suppress(InputError):  # such as of a folder that may not be read, which is told elsewhere
        source = FolderSource(data, int(config.max_file_mb * 2**20)) if places else None
        for one in find_tables(source, files, config, "" if data.is_dir() else data.name).naming if source else ():
            distinct, name = one.table.distinct(one.column.name), one.table.name
            tables[name] = {one.column.name: {text for text in distinct if text and _are_gone(files.locate(text, name), gone)}}
    return Named({*subject.contents, *contents, *ends}, gone, files, tables, encoding=config.encoding)


def _are_gone(found: list[str], gone: Set[str]) -> bool:
    return bool(found) and gone >= set(found)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _ends(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[number:]) for number in range(len(parts))} | {f"./{path}"}
