"""Reads CSV files as programs and people write them: any delimiter, quoted or not, in UTF-8 or UTF-16, with or without a header."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa

from darkroom.system.errors import InputError

DELIMITERS = ",;\t|"
BATCH_ROWS = 10_000  # that are in memory as Python texts at a time
SAMPLE_LINES = 20  # that a delimiter must fit


class CsvFile(NamedTuple):
    """What a CSV holds.

    Attributes:
        first: Cells of its first row.
        columns: Texts without surrounding blanks, one column for each cell of the first row, which is not among them.
        num_empty: Rows whose cells are all empty, left out.
    """

    first: list[str]
    columns: list[pa.ChunkedArray]
    num_empty: int


def read_csv(name: str, data: bytes) -> CsvFile:
    """Reads a CSV.

    Args:
        name: Its file name; `.tsv` and `.tab` mean tabs.
        data: Its bytes.

    Raises:
        InputError: It is not UTF-8 or UTF-16, holds zero bytes, is not valid, or its rows differ in length.
    """
    content, delimiter = delimiter_of(name, _decoded(name, data))
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, skipinitialspace=delimiter == " ", strict=True)
    num_empty = 0

    def filled() -> Iterator[tuple[int, list[str]]]:
        nonlocal num_empty
        for number, row in enumerate((row for row in reader if row), start=1):
            if any(map(str.strip, row)):
                yield number, row
            else:
                num_empty += 1

    try:
        rows = filled()
        first = next(rows, (1, []))[1]
        batches = [_batch(batch) for batch in _batches(_checked(name, first, rows))]
    except csv.Error as error:
        raise InputError(f"{name} is no valid CSV: line {reader.line_num}: {error}") from None
    columns = [pa.chunked_array([batch[number] for batch in batches], pa.string()) for number in range(len(first))]
    return CsvFile([cell.strip() for cell in first], columns, num_empty)


def encoding_of(data: bytes) -> str:
    """The encoding of a text: UTF-16 with its mark, or where the first letter has a zero byte; else UTF-8, with or without a mark."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    return {(True, False): "utf-16-be", (False, True): "utf-16-le"}.get((data[:1] == b"\0", data[1:2] == b"\0"), "utf-8-sig")


def _decoded(name: str, data: bytes) -> str:
    try:
        text = data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 (byte {error.start}): save it as CSV in UTF-8, or name its encoding in ingest.encoding"
        ) from None
    if "\0" in text:
        raise InputError(f"{name} holds zero bytes (at character {text.index(chr(0))}), as no text does: save it as CSV in UTF-8")
    return text


def delimiter_of(name: str, content: str) -> tuple[str, str]:
    """The content without Excel's line `sep=;`, and the delimiter: the one that is in the first line and in most lines after it."""
    if told := re.match(r"\"?sep=([,;\t|])\"?\r?\n", content):
        return content[told.end() :], told[1]
    lines = [re.sub(r'"[^"]*"', "", line) for line in islice(io.StringIO(content), SAMPLE_LINES) if line.strip()] or [""]
    if {".tsv", ".tab"} & set(PurePosixPath(name.lower()).suffixes) and "\t" in lines[0]:
        return content, "\t"
    if not any(mark in lines[0] for mark in DELIMITERS) and len(lines[0].split()) > 1 and len({len(line.split()) for line in lines}) == 1:
        return content, " "
    counts = {mark: lines[0].count(mark) for mark in DELIMITERS}
    fits = {mark: sum(line.count(mark) == counts[mark] for line in lines) if counts[mark] else 0 for mark in DELIMITERS}
    return content, max(DELIMITERS, key=lambda mark: (fits[mark] * 2 > len(lines), counts[mark]))


def _checked(name: str, first: list[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[list[str]]:
    """The rows, each as long as the first; empty cells beyond it are cut off, and those below empty names may lack."""
    named = max((number for number, cell in enumerate(first, start=1) if cell.strip()), default=0)
    for number, row in rows:
        if len(row) == len(first):
            yield row
            continue
        if len(row) < named or any(row[len(first) :]):
            raise InputError(f"{name} has {len(row)} cells in row {number} and {len(first)} in its header: correct the row")
        yield (row + [""] * (len(first) - len(row)))[: len(first)]


def _batches(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def _batch(rows: list[list[str]]) -> list[pa.Array]:
    return [pa.array([cell.strip() for cell in column], pa.string()) for column in zip(*rows, strict=True)]
