"""Tables in the data that name images, in any of the forms that `ingest` reads: written anew without these rows, all else as it was."""

import bz2
import codecs
import csv
import gzip
import html
import io
import json
import lzma
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.archives import DAMAGE_ERRORS, OPENERS
from components.ingest.csv_table import delimiter_of, encoding_of
from components.ingest.listing import is_picture_name
from components.ingest.packed_tables import MAX_BYTES
from darkroom.system.files import whole
from pipelines.forget.named import Named

_PARQUET = b"PAR1"
_BATCH = 1_024  # rows of a Parquet file, which may hold pictures, that are looked at at a time
_INDENT = re.compile(r"\n( +)\S")
_CVAT_IMAGE = re.compile(
    r"[ \t]*<image\b[^>]*?\bname=(?P<quote>[\"'])(?P<name>.*?)(?P=quote)[^>]*?(?:/>|>.*?</image>)[ \t]*\r?\n?", re.DOTALL
)
_PACKED_AGAIN: dict[Any, Callable[[bytes], bytes]] = {  # by what opens it
    gzip.open: partial(gzip.compress, mtime=0), bz2.open: bz2.compress, lzma.open: lzma.compress,
}  # fmt: skip
_ZIP = b"PK\x03\x04"


def rewrite(table: Path, names: Named, encoding: str = "auto") -> None:
    """Writes a table anew without the rows that name one of the images, where there are any."""
    if (data := without_rows(table, names, encoding)) is not None:
        with whole(table) as draft:
            draft.write_bytes(data)


def without_rows(table: Path, names: Named, encoding: str = "auto") -> bytes | None:
    """A table's bytes without the rows that name one of the images; nothing where there is no such row, or it is no table.

    Args:
        table: CSV, Parquet, JSON, JSON Lines or CVAT's XML, packed or not, whatever its suffix.
        names: What is looked for.
        encoding: Of its text, as `ingest.encoding` has it; a table may also be UTF-8 or UTF-16. It stays what it is.
    """
    if _begins_with(table, _PARQUET):
        return _of_parquet(table, names)
    if (packed := _unpacked(table)) is None:
        return None
    data, pack = packed
    for codec, text in _texts(data, encoding):
        form = text.lstrip("\ufeff \t\r\n")[:1]
        try:
            if form in ("{", "["):
                rest = _of_json(text, names, escaped=not codec.startswith("utf"))
            else:
                rest = _of_cvat(text, names) if form == "<" else _of_csv(table.name, text, names)
        except (csv.Error, RecursionError):
            continue
        if rest is not None:
            return pack(rest.encode(codec))
    return None


def is_decodable(table: Path, encoding: str) -> bool:
    """Whether `without_rows` can look into a table: it is Parquet, or a text in UTF-8, UTF-16 or this encoding, packed or not."""
    if _begins_with(table, _PARQUET):
        return True
    packed = _unpacked(table)
    return packed is not None and any(True for _ in _texts(packed[0], encoding))


def _begins_with(table: Path, start: bytes) -> bool:
    with table.open("rb") as file:
        return file.read(len(start)) == start


def _unpacked(table: Path) -> tuple[bytes, Callable[[bytes], bytes]] | None:
    """A table's own bytes, and what packs others in the same way; nothing of what is damaged, too large, or several files."""
    data = table.read_bytes()
    try:
        if data.startswith(_ZIP):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if len(members) != 1 or members[0].file_size > MAX_BYTES:
                    return None
                return archive.read(members[0]), lambda rest: _zipped(members[0], rest)
        if opener := next((opener for start, opener in OPENERS.items() if data.startswith(start)), None):
            with opener(io.BytesIO(data)) as file:
                content = file.read(MAX_BYTES + 1)
            return (content, _PACKED_AGAIN[opener]) if len(content) <= MAX_BYTES else None
    except DAMAGE_ERRORS:
        return None  # `Traces` tell
    return data, lambda rest: rest


def _zipped(member: zipfile.ZipInfo, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, data)
    return file.getvalue()


def _texts(data: bytes, encoding: str) -> Iterator[tuple[str, str]]:
    """What a table may say, with the encoding that makes its bytes of that; a mark in front is a part of it."""
    utf_16 = "utf-16-be" if data.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
    named = [codecs.lookup(name).name for name in (encoding, encoding_of(data)) if name != "auto"]
    for codec in dict.fromkeys({"utf-8-sig": "utf-8", "utf-16": utf_16}.get(name, name) for name in named):
        with suppress(UnicodeDecodeError):
            yield codec, data.decode(codec)


def _of_csv(name: str, text: str, names: Named) -> str | None:
    content, delimiter = delimiter_of(name, text.removeprefix("\ufeff"))
    lines = io.StringIO(content, newline="").readlines()
    reader, kept, start, found = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " "), list[str](), 0, False
    header: list[str] = []
    for cells in reader:
        rows, start = lines[start : reader.line_num], reader.line_num
        header = header or [cell.strip() for cell in cells]
        columns = [*header, *[""] * len(cells)]
        if any(names.is_by(cell, column) for cell, column in zip(cells, columns, strict=False)):
            found = True
        else:
            kept += rows
    return text[: len(text) - len(content)] + "".join(kept) if found else None


def _of_cvat(text: str, names: Named) -> str | None:
    """CVAT's XML without the elements of images."""

    def rest(image: re.Match[str]) -> str:
        name = html.unescape(image["name"])
        return "" if any(names.is_by(name, column) for column in ("", *names.cells)) else image[0]

    kept = _CVAT_IMAGE.sub(rest, text)
    return kept if kept != text else None


def _of_parquet(path: Path, names: Named) -> bytes | None:
    try:
        table = pq.read_table(path)
        kept = [not _is_row(row, names) for batch in table.to_batches(_BATCH) for row in batch.to_pylist()]
    except (pa.ArrowException, OSError):
        return None  # damaged: `Traces` tell
    if all(kept):
        return None
    sink = pa.BufferOutputStream()
    pq.write_table(table.filter(pa.array(kept)), sink)
    return bytes(sink.getvalue().to_pybytes())


def _of_json(text: str, names: Named, *, escaped: bool) -> str | None:
    """JSON with its indentation, `escaped` in ASCII alone; of JSON Lines the other lines as they are."""
    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except ValueError:
        lines = text.splitlines(keepends=True)
        kept = [line for line in lines if not _is_row(_loaded(line), names)]
        return "".join(kept) if len(kept) < len(lines) else None
    rest = _pruned(value, names)
    if rest == value:
        return None
    indent = _INDENT.search(text)
    return json.dumps(rest, ensure_ascii=escaped, indent=len(indent[1]) if indent else None) + ("\n" if text.endswith("\n") else "")


def _loaded(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _pruned(value: Any, names: Named) -> Any:
    """A JSON value without what names an image: items of lists, keys of objects with what they hold, places in columns."""
    if isinstance(value, list):
        return [_pruned(item, names) for item in value if not _is_row(item, names)]
    if not isinstance(value, dict):
        return value
    for kind, places in ((list, _places_in_lists), (dict, _places_in_objects)):
        if all(isinstance(cells, kind) for cells in value.values()) and (rows := places(value, names)) is not None:
            return rows
    return {
        key: _pruned(part, names) for key, part in value.items() if not names.is_by(key) and not _is_row(part, names, key, nested=False)
    }


def _places_in_lists(columns: dict[str, list[Any]], names: Named) -> dict[str, list[Any]] | None:
    """Columns of equal length without the rows that are named; nothing where the lists are those of the files of a class each."""
    cells = [cell for column in columns.values() for cell in column]
    if len({len(column) for column in columns.values()}) != 1 or 2 * sum(
        isinstance(cell, str) and is_picture_name(cell) for cell in cells
    ) > len(cells):
        return None
    kept = [not _is_row(dict(zip(columns, row, strict=True)), names) for row in zip(*columns.values(), strict=True)]
    return {name: [cell for cell, holds in zip(column, kept, strict=True) if holds] for name, column in columns.items()}


def _places_in_objects(columns: dict[str, dict[str, Any]], names: Named) -> dict[str, dict[str, Any]] | None:
    """The same of columns as pandas writes them, with the numbers of the rows."""
    numbers = list(next(iter(columns.values()), {}))
    if not numbers or not all(map(str.isdigit, numbers)) or any(list(column) != numbers for column in columns.values()):
        return None
    gone = {number for name, column in columns.items() for number, cell in column.items() if _is_row(cell, names, name)}
    return {name: {number: cell for number, cell in column.items() if number not in gone} for name, column in columns.items()}


def _is_row(value: Any, names: Named, column: str = "", *, nested: bool = True) -> bool:
    """Whether a value is a name, or an object or a list that directly holds one; objects may hold further ones."""
    if isinstance(value, dict):
        return any(names.is_by(part, name) or (isinstance(part, dict) and _is_row(part, names)) for name, part in value.items())
    if isinstance(value, list | tuple):
        return nested and any(names.is_by(part) for part in value)
    return names.is_by(value, column)
