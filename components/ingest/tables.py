"""Tables of labels as they are delivered: CSV, TSV or Parquet, kept as Arrow columns."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from darkroom.system.errors import InputError

LIST_SEPARATOR = "\x1f"  # joins the items of a Parquet list; a character that no label contains
MAX_VALUES, MAX_BYTES = 50_000_000, 2 * 2**30  # of an unpacked Parquet file: a kilobyte of one may hold billions
BATCH_ROWS = 10_000  # of a CSV that are in memory as Python texts at a time


@dataclass(frozen=True)
class Table:
    """A table as it was delivered.

    Attributes:
        name: Its path in the source.
        values: Its columns; a Parquet file's texts are dictionaries, a CSV's cells are texts without surrounding blanks.
        typed: Whether the file says of which type its columns are, as Parquet does.
    """

    name: str
    values: pa.Table
    typed: bool = False

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

    def distinct(self, column: str) -> set[str]:
        """The texts that occur in a column, see `cells`."""
        values = self.values[column]
        return set(self.cells(column)) if pa.types.is_nested(values.type) else set(_texts(pc.unique(values)))


def read_table(name: str, data: bytes) -> Table:
    """Reads a table.

    Args:
        name: Its file name; the ending says what it is.
        data: Its bytes.

    Raises:
        InputError: It can't be read, rows differ in length, or two columns have one name.
    """
    typed = name.lower().endswith(".parquet")
    table = _parquet(name, data) if typed else _csv(name, data)
    header = [column.strip() for column in table.column_names]
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {twice[0]!r} twice: rename one")
    named = [number for number, column in enumerate(header) if column]
    return Table(name, table.rename_columns(header).select(named), typed)


def _csv(name: str, data: bytes) -> pa.Table:
    try:
        content = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 (byte {error.start}): save it as CSV in UTF-8") from None
    first = content.partition("\n")[0]
    delimiter = "\t" if name.lower().endswith(".tsv") else max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = (row for row in reader if row)
        header = next(rows, [])
        batches = [_batch(batch) for batch in _batches(_checked(name, header, rows))]
    except csv.Error as error:
        raise InputError(f"{name} is no valid CSV: line {reader.line_num}: {error}") from None
    chunks = [pa.chunked_array([batch[number] for batch in batches], pa.string()) for number in range(len(header))]
    return pa.Table.from_arrays(chunks, names=header)


def _checked(name: str, header: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows, each as long as the header; empty cells beyond it are cut off."""
    for number, row in enumerate(rows, start=2):
        if len(row) < len(header) or any(row[len(header) :]):
            raise InputError(f"{name} has {len(row)} cells in row {number} and {len(header)} in its header: correct the row")
        yield row[: len(header)]


def _batches(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def _batch(rows: list[list[str]]) -> list[pa.Array]:
    return [pa.array([cell.strip() for cell in column], pa.string()) for column in zip(*rows, strict=True)]


def _parquet(name: str, data: bytes) -> pa.Table:
    try:
        return _unpacked(name, data)
    except (pa.ArrowException, OSError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name} is no readable Parquet file: {reason}") from None


def _unpacked(name: str, data: bytes) -> pa.Table:
    """Reads a Parquet file whose content fits in memory; repeated texts are kept once, so that a small file stays small.

    Raises:
        InputError: It unpacks to more values or bytes than any table of labels has.
    """
    schema = pq.ParquetFile(io.BytesIO(data)).schema
    leaves = [schema.column(number) for number in range(len(schema))]
    file = pq.ParquetFile(io.BytesIO(data), read_dictionary=[leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"])
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    num_values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    parts, num_bytes = [], 0
    for number, group in enumerate(groups):
        if max(num_values, file.metadata.num_rows) > MAX_VALUES or num_bytes + group.total_byte_size > MAX_BYTES:
            raise InputError(f"{name} unpacks to more than a table of labels holds ({num_values:,} values): take out what is not needed")
        parts.append(file.read_row_group(number))
        num_bytes += parts[-1].nbytes
    return pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()


def _texts(chunk: pa.Array) -> list[str]:
    if not isinstance(chunk, pa.DictionaryArray):
        return [_text(value) for value in chunk.to_pylist()]
    texts = [_text(value) for value in chunk.dictionary.to_pylist()]
    return ["" if number is None else texts[number] for number in chunk.indices.to_pylist()]


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, list):
        value = LIST_SEPARATOR.join(str(item) for item in value)
    elif isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
