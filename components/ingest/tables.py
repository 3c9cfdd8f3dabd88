"""Tables of labels as they are delivered: CSV, TSV or Parquet, every cell a text, nothing taken for a missing value."""

import csv
import io
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from darkroom.system.errors import InputError

SUFFIXES = (".csv", ".tsv", ".parquet")
JOINT = "\x1f"  # joins the items of a Parquet list: no label has it
MAX_VALUES, MAX_BYTES = 50_000_000, 2 * 2**30  # of an unpacked Parquet file: a kilobyte of one may hold billions


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        name: Its path in the source.
        columns: Cells by column, stripped of surrounding blanks.
    """

    name: str
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


def read_table(name: str, data: bytes) -> Table:
    """Reads a table.

    Args:
        name: Its file name; the ending says what it is.
        data: Its bytes.

    Raises:
        InputError: It can't be read, rows differ in length, or two columns have one name.
    """
    header, rows = _parquet(name, data) if name.lower().endswith(".parquet") else _csv(name, data)
    header = [column.strip() for column in header]
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {twice[0]!r} twice: rename one")
    columns = {column: [row[number].strip() for row in rows] for number, column in enumerate(header) if column}
    return Table(name, columns)


def _csv(name: str, data: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        content = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 (byte {error.start}): save it as CSV in UTF-8") from None
    first = content.partition("\n")[0]
    delimiter = "\t" if name.lower().endswith(".tsv") else max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        header, *rows = [row for row in reader if row] or [[]]
    except csv.Error as error:
        raise InputError(f"{name} is no valid CSV: line {reader.line_num}: {error}") from None
    for number, row in enumerate(rows):
        if len(row) > len(header) and not any(row[len(header) :]):
            rows[number] = row = row[: len(header)]
        if len(row) != len(header):
            raise InputError(f"{name} has {len(row)} cells in row {number + 2} and {len(header)} in its header: mend the row")
    return header, rows


def _parquet(name: str, data: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        table = _unpacked(name, data)
    except (pa.ArrowException, OSError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name} is no readable Parquet file: {reason}") from None
    columns = [[cell for chunk in column.chunks for cell in _cells(chunk)] for column in table.columns]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)]


def _unpacked(name: str, data: bytes) -> pa.Table:
    """Reads a Parquet file whose content fits in memory; a text that comes often is kept once, so a small file stays small.

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


def _cells(chunk: pa.Array) -> list[str]:
    if not isinstance(chunk, pa.DictionaryArray):
        return [_cell(value) for value in chunk.to_pylist()]
    texts = [_cell(value) for value in chunk.dictionary.to_pylist()]
    return ["" if number is None else texts[number] for number in chunk.indices.to_pylist()]


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, list):
        return JOINT.join(str(item) for item in value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
