"""Tables of labels as they are delivered: CSV and the like, Parquet or JSON, also packed, kept as Arrow columns."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.annotations import Annotations
from components.ingest.cells import Integers
from components.ingest.csv_table import read_csv
from components.ingest.cvat import read_cvat
from components.ingest.file_names import FileNames
from components.ingest.headers import with_header
from components.ingest.json_table import read_json
from components.ingest.packed_tables import unpacked
from components.ingest.parquet_table import read_json_lines, read_parquet, with_paths
from darkroom.system.errors import InputError

SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods")  # are not read
LIST_SEPARATOR = "\x1f"  # joins the items of a list; a character that no label contains


@dataclass(frozen=True)
class Table:
    """A table as it was delivered.

    Attributes:
        name: Its path in the source.
        values: Its columns; a Parquet file's texts are dictionaries, a CSV's cells are texts without surrounding blanks.
        typed: Whether the file says of which type its columns are, as Parquet does.
        notes: Sentences that say how it was read.
    """

    name: str
    values: pa.Table
    typed: bool = False
    notes: tuple[str, ...] = ()
    _encoded: dict[str, tuple[list[str], Integers]] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return int(self.values.num_rows)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.values.column_names)

    def cells(self, column: str, num_rows: int | None = None) -> list[str]:
        """A column's cells as texts without surrounding blanks, a missing one as an empty text.

        Args:
            column: Its name.
            num_rows: How many of the first rows; all of them by default.
        """
        chunks = self.values[column].slice(0, num_rows).chunks
        return [cell for chunk in chunks for cell in _texts(chunk)]

    def encoded(self, column: str) -> tuple[list[str], Integers]:
        """The texts that occur in a column, each once, and for every row the number of its own.

        Args:
            column: Its name.
        """
        if column not in self._encoded:
            self._encoded[column] = self._encode(column)
        return self._encoded[column]

    def _encode(self, column: str) -> tuple[list[str], Integers]:
        values = self.values[column]
        if not pa.types.is_dictionary(values.type):
            has_texts_only = pa.types.is_nested(values.type) or values.type == pa.float16()  # which Arrow can't encode
            values = (pa.chunked_array([pa.array(self.cells(column), pa.string())]) if has_texts_only else values).dictionary_encode()
        array = values.unify_dictionaries().combine_chunks()
        texts = [*_texts(array.dictionary), ""]
        numbers = np.asarray(pc.fill_null(array.indices.cast(pa.int64()), len(texts) - 1))
        distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        codes = np.array([distinct[text] for text in texts], dtype=np.int64)[numbers]
        used, codes = np.unique(codes, return_inverse=True)
        names = list(distinct)
        return [names[number] for number in used], codes

    def distinct(self, column: str) -> set[str]:
        """The texts that occur in a column, see `cells`."""
        return set(self.encoded(column)[0])

    def is_list(self, column: str) -> bool:
        """Whether a column's cells are lists, joined by `LIST_SEPARATOR` in its texts."""
        kind = self.values[column].type
        return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def read_table(name: str, data: bytes, names: FileNames, encoding: str = "auto", answer: str = "") -> Table:
    """Reads a table; rows whose cells are all empty are none.

    Args:
        name: Its path in the source; the ending says what it is.
        data: Its bytes.
        names: The files of the source: the first row of a CSV may be one of them.
        encoding: Of its text; `auto` where it is UTF-8 or UTF-16. XML says its own.
        answer: The column of labels that the user named, if any: some JSON does not tell by itself which it is.

    Raises:
        InputError: It can't be read, is not in that encoding, rows differ in length, two columns have one name, or there is no header.
    """
    plain_name, content = unpacked(name, data)
    suffix = PurePosixPath(plain_name).suffix.lower()
    if suffix in SPREADSHEETS:
        raise InputError(f"{name} is a spreadsheet, which is not read: save it as CSV")
    if encoding != "auto" and suffix not in (".parquet", ".xml"):
        content = _as_utf8(name, content, encoding)
    if suffix not in (".parquet", ".json", ".jsonl", ".ndjson", ".xml"):
        values, notes = with_header(name, read_csv(name, content), names)
        return Table(name, values, False, notes)
    values, notes = _read_typed(name, suffix, content, names, answer)
    table = with_paths(values)
    header = [column.strip() for column in table.column_names]
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {twice[0]!r} twice: rename one")
    named = [number for number, column in enumerate(header) if column]
    filled = _without_empty_rows(table.rename_columns(header).select(named))
    num_empty = table.num_rows - filled.num_rows
    return Table(name, filled, True, (*notes, *([f"{num_empty} empty row(s) of {name} are no rows"] if num_empty else [])))


def _as_utf8(name: str, content: bytes, encoding: str) -> bytes:
    try:
        return content.decode(encoding).encode()
    except UnicodeError as error:
        raise InputError(f"{name} is not in the encoding {encoding} ({error}), which ingest.encoding names: set it to its own") from None


def _read_typed(name: str, suffix: str, content: bytes, names: FileNames, answer: str) -> Annotations:
    """A table whose file says of which type its columns are, with sentences about it."""
    if suffix == ".json":
        return read_json(name, content, names, answer)
    if suffix == ".xml":
        return read_cvat(name, content, names)
    return Annotations(read_parquet(name, content) if suffix == ".parquet" else read_json_lines(name, content), ())


def _without_empty_rows(table: pa.Table) -> pa.Table:
    """The rows in which some column has a value."""
    if not table.num_columns:
        return table
    filled = np.zeros(table.num_rows, dtype=bool)
    for column in table.columns:
        filled |= ~np.asarray(pc.is_null(column, nan_is_null=pa.types.is_floating(column.type)))
    return table if filled.all() else table.filter(pa.array(filled))


def _texts(chunk: pa.Array) -> list[str]:
    if pa.types.is_string(chunk.type):
        return [value.strip() if value else "" for value in chunk.to_pylist()]
    if not isinstance(chunk, pa.DictionaryArray):
        return [_text(value) for value in chunk.to_pylist()]
    texts = _texts(chunk.dictionary)
    return ["" if number is None else texts[number] for number in chunk.indices.to_pylist()]


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, list):
        value = LIST_SEPARATOR.join(_text(item) for item in value)
    elif isinstance(value, dict):
        value = "(a struct)"  # it may hold a whole image
    elif isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
