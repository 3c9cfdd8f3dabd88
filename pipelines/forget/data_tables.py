"""Tables in the data that name images, in any of the forms that `ingest` reads: written anew without these rows, all else as it was."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.csv_table import encoding_of
from components.ingest.listing import is_picture_name
from darkroom.system.files import whole

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".json", ".jsonl", ".ndjson")
_PARQUET = b"PAR1"
_BATCH = 1_024  # rows of a Parquet file, which may hold pictures, that are looked at at a time
_INDENT = re.compile(r"\n( +)\S")

Names = Set[str | bytes]  # ids, paths and, in tables that hold pictures, their bytes


def rewrite(table: Path, names: Names, encoding: str = "auto") -> None:
    """Writes a table anew without the rows that hold one of the names, where there are any."""
    if (data := without_rows(table, names, encoding)) is not None:
        with whole(table) as draft:
            draft.write_bytes(data)


def without_rows(table: Path, names: Names, encoding: str = "auto") -> bytes | None:
    """A table's bytes without the rows of which a cell is one of the names; nothing where there is no such row, or it is no table.

    Args:
        table: CSV, Parquet, JSON or JSON Lines, whatever its suffix.
        names: What is looked for.
        encoding: Of its text, as `ingest.encoding` has it; a table may also be UTF-8 or UTF-16. It stays what it is.
    """
    if _is_parquet(table):
        return _of_parquet(table, names)
    for codec, text in _texts(table, encoding):
        try:
            is_json = text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")
            rest = _of_json(text, names, escaped=not codec.startswith("utf")) if is_json else _of_csv(text, names)
        except (csv.Error, RecursionError):
            continue
        if rest is not None:
            return rest.encode(codec)
    return None


def is_decodable(table: Path, encoding: str) -> bool:
    """Whether `without_rows` can look into a table: it is Parquet, or a text in UTF-8, UTF-16 or this encoding."""
    return _is_parquet(table) or any(True for _ in _texts(table, encoding))


def _is_parquet(table: Path) -> bool:
    with table.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def _texts(table: Path, encoding: str) -> Iterator[tuple[str, str]]:
    """What a table may say, with the encoding that makes its bytes of that; a mark in front is a part of it."""
    data = table.read_bytes()
    utf_16 = "utf-16-be" if data.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
    named = [codecs.lookup(name).name for name in (encoding, encoding_of(data)) if name != "auto"]
    for codec in dict.fromkeys({"utf-8-sig": "utf-8", "utf-16": utf_16}.get(name, name) for name in named):
        with suppress(UnicodeDecodeError):
            yield codec, data.decode(codec)


def _of_csv(text: str, names: Names) -> str | None:
    lines = io.StringIO(text, newline="").readlines()
    head = lines[0] if lines else ""
    delimiter = max(",;\t", key=head.count)
    reader, kept, start, found = csv.reader(lines, delimiter=delimiter), list[str](), 0, False
    for cells in reader:
        rows, start = lines[start : reader.line_num], reader.line_num
        if any(_is_name(cell, names) for cell in cells):
            found = True
        else:
            kept += rows
    return "".join(kept) if found else None


def _of_parquet(path: Path, names: Names) -> bytes | None:
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


def _of_json(text: str, names: Names, *, escaped: bool) -> str | None:
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


def _pruned(value: Any, names: Names) -> Any:
    """A JSON value without what names an image: items of lists, keys of objects with what they hold, places in columns."""
    if isinstance(value, list):
        return [_pruned(item, names) for item in value if not _is_row(item, names)]
    if not isinstance(value, dict):
        return value
    for kind, places in ((list, _places_in_lists), (dict, _places_in_objects)):
        if all(isinstance(cells, kind) for cells in value.values()) and (rows := places(value, names)) is not None:
            return rows
    return {key: _pruned(part, names) for key, part in value.items() if not _is_name(key, names) and not _is_row(part, names, nested=False)}


def _places_in_lists(columns: dict[str, list[Any]], names: Names) -> dict[str, list[Any]] | None:
    """Columns of equal length without the rows that are named; nothing where the lists are those of the files of a class each."""
    cells = [cell for column in columns.values() for cell in column]
    if len({len(column) for column in columns.values()}) != 1 or 2 * sum(
        isinstance(cell, str) and is_picture_name(cell) for cell in cells
    ) > len(cells):
        return None
    kept = [not _is_row(list(row), names) for row in zip(*columns.values(), strict=True)]
    return {name: [cell for cell, holds in zip(column, kept, strict=True) if holds] for name, column in columns.items()}


def _places_in_objects(columns: dict[str, dict[str, Any]], names: Names) -> dict[str, dict[str, Any]] | None:
    """The same of columns as pandas writes them, with the numbers of the rows."""
    numbers = list(next(iter(columns.values()), {}))
    if not numbers or not all(map(str.isdigit, numbers)) or any(list(column) != numbers for column in columns.values()):
        return None
    gone = {number for column in columns.values() for number, cell in column.items() if _is_row(cell, names)}
    return {name: {number: cell for number, cell in column.items() if number not in gone} for name, column in columns.items()}


def _is_row(value: Any, names: Names, *, nested: bool = True) -> bool:
    """Whether a value is a name, or an object or a list that directly holds one; objects may hold further ones."""
    if isinstance(value, dict):
        return any(_is_name(part, names) or (isinstance(part, dict) and _is_row(part, names)) for part in value.values())
    if isinstance(value, list | tuple):
        return nested and any(_is_name(part, names) for part in value)
    return _is_name(value, names)


def _is_name(value: Any, names: Names) -> bool:
    if isinstance(value, str):
        return value.strip() in names
    return isinstance(value, bytes) and value in names
