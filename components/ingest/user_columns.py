"""The user's own columns of a table: what is neither a file name nor a label, group or split, in its own type."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.cells import MISSING_WORDS
from components.ingest.column_names import NAMELESS
from components.ingest.listing import first_few
from components.ingest.tables import Table
from darkroom.manifest import is_reserved

PREFIX = "user_"  # of a column whose own name is taken
MAX_TEXT_BYTES = 2**30  # of one column: a Parquet file of a kilobyte may repeat one long text a million times
MISSING = ("", *MISSING_WORDS)  # in a CSV column of numbers, booleans or dates
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = f"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,6}})?)?"
TYPES: tuple[tuple[str, pa.DataType], ...] = (  # of a CSV column in which every cell is written so
    ("-?(0|[1-9][0-9]*)", pa.int64()),  # 007 is no number, but a name in digits
    ("-?((0|[1-9][0-9]{0,14})([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]{1,3})?", pa.float64()),  # longer ones would lose digits
    ("(?i)true|false", pa.bool_()),
    (_DATE, pa.date32()),
    (_TIME, pa.timestamp("us")),
    (f"{_TIME}(Z|[-+][0-9]{{2}}:?[0-9]{{2}})", pa.timestamp("us", "UTC")),
)
KEPT: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_date, pa.types.is_time,
    pa.types.is_timestamp, pa.types.is_duration, pa.types.is_string, pa.types.is_large_string,
)  # fmt: skip
WIDER = {pa.float16(): pa.float32(), pa.null(): pa.string()}  # of a type that Arrow can't compare


class UserColumns(NamedTuple):
    """The user's own columns of a table.

    Attributes:
        values: The columns under the names that they have in the manifest, in the table's order.
        notes: Sentences that say what is kept, renamed and left out.
    """

    values: pa.Table
    notes: tuple[str, ...]


def read_user_columns(table: Table, used: Collection[str], rows: Sequence[int | None], repeated: list[tuple[int, int]]) -> UserColumns:
    """Reads all columns that are not used for something else.

    Numbers, booleans, dates, times and texts are kept: Parquet's in their own types, CSV's in the type that all their cells
    are written in (an empty cell has no value). A column whose name the manifest has for another is called `user_<name>`.

    Args:
        table: The table.
        used: Columns that hold file names, labels, groups or splits.
        rows: The rows to take, in this order; none where there is no value.
        repeated: Pairs of rows of one file: the first, which is among `rows`, and a later one, which is not.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    renamed, left_out, differing = [], [], []
    nameless = [name for name in table.columns if name not in used and name.startswith(NAMELESS)]
    for column in [name for name in table.columns if name not in {*used, *nameless}]:
        delivered = table.values[column]
        values = _plain(delivered) if table.typed else _inferred(delivered)
        if values is None:
            left_out.append(f"{column!r} ({_own_type(delivered)})")
            continue
        name = _free_name(column, {*table.columns, *columns})
        columns[name] = values.take(pa.array(rows, pa.int64()))
        if name != column:
            renamed.append(f"{column!r} as {name!r}")
        if _differs(values, repeated):
            differing.append(repr(column))
    return UserColumns(
        pa.table(columns), (*_notes(table.name, columns, renamed, left_out, differing), *_nameless_notes(table.name, nameless))
    )


def _notes(table: str, columns: dict[str, pa.ChunkedArray], renamed: list[str], left_out: list[str], differing: list[str]) -> Iterator[str]:
    if columns:
        kept = [f"{name!r} ({values.type})" for name, values in columns.items()]
        yield f"{len(columns)} further column(s) of {table} are kept: {first_few(kept, 12)}"
    if renamed:
        yield f"{len(renamed)} of them have a name that the manifest needs for its own, and are kept under another: {first_few(renamed)}"
    if differing:
        yield f"files that {table} names in several rows have different values there, the first is kept: {first_few(differing)}"
    if left_out:
        yield f"{len(left_out)} column(s) of {table} are left out: {first_few(left_out)}; only numbers, booleans, dates and texts are kept"


def _nameless_notes(table: str, nameless: list[str]) -> tuple[str, ...]:
    return (f"{len(nameless)} column(s) of {table} without a name are left out: {first_few(nameless)}",) if nameless else ()


def _differs(values: pa.ChunkedArray, repeated: list[tuple[int, int]]) -> bool:
    """Whether a column has different values at any pair of rows."""
    one, other = (values.take(pa.array(rows, pa.int64())) for rows in ([pair[0] for pair in repeated], [pair[1] for pair in repeated]))
    lacks_one, lacks_other = (pc.is_null(side, nan_is_null=True) for side in (one, other))
    unequal = pc.and_not(pc.fill_null(pc.not_equal(one, other), False), pc.or_(lacks_one, lacks_other))
    return bool(pc.any(pc.or_(unequal, pc.xor(lacks_one, lacks_other))).as_py())


def _free_name(column: str, taken: Collection[str]) -> str:
    name = column
    while is_reserved(name) or (name != column and name in taken):
        name = PREFIX + name
    return name


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """A column of a Parquet file without its dictionary; none where it is of no kind that is kept."""
    kind = WIDER.get(_own_type(values), _own_type(values))
    if not any(is_kind(kind) for is_kind in KEPT):
        return None
    if pa.types.is_dictionary(values.type) and _is_text(kind) and sum(map(_num_text_bytes, values.chunks)) > MAX_TEXT_BYTES:
        return None
    return values.cast(kind)


def _own_type(values: pa.ChunkedArray) -> pa.DataType:
    return values.type.value_type if pa.types.is_dictionary(values.type) else values.type


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _num_text_bytes(texts: pa.DictionaryArray) -> int:
    """Bytes of the texts without their dictionary."""
    return int(pc.sum(pc.binary_length(texts.dictionary).take(texts.indices)).as_py() or 0)


def _inferred(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of a CSV in the type that all its cells are written in."""
    values = _without(texts, ("",))
    known = _without(texts, MISSING)
    for pattern, kind in TYPES:
        if pc.all(pc.match_substring_regex(known, f"^({pattern})$")).as_py():
            try:
                return known.cast(kind)
            except pa.ArrowInvalid:  # such as 2026-02-30, or more digits than a number holds
                return values
    return values


def _without(texts: pa.ChunkedArray, words: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.if_else(pc.is_in(pc.utf8_lower(texts), pa.array(words)), pa.scalar(None, pa.string()), texts)
