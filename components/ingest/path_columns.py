"""Finds the column that names the files: by its name, and by what its cells name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.column_names import GROUPS, LABELS, PATHS, SPLITS, known
from components.ingest.config import TableConfig
from components.ingest.file_names import FileNames
from components.ingest.listing import first_few, has_image_suffix
from components.ingest.tables import Table
from darkroom.system.errors import InputError

MAX_BYTES = 4096  # of a path, on most systems


@dataclass(frozen=True)
class PathColumn:
    """The column that names the files.

    Attributes:
        name: Its name.
        num_found: How many of its cells name files, or, where none does, how many end like the name of one or of an image.
        is_certain: Whether it is called path or the like, or holds paths or names with endings: a column of numbers may number
            something else.
        notes: Sentences that say which other column was not taken, and why.
    """

    name: str
    num_found: int
    is_certain: bool = True
    notes: tuple[str, ...] = ()


def path_column(table: Table, config: TableConfig, names: FileNames) -> PathColumn | None:
    """Finds the column of file names; none if there is none.

    A column called path or the like, whose cells are paths or have an image's ending, goes before all others that name files;
    then come those of which one of the two is true, and then those of plain words or numbers.

    Args:
        table: The table.
        config: The user's settings.
        names: The files of the source.

    Raises:
        InputError: Two columns name files, but not the same ones.
    """
    if config.path_column:
        return _named(table, config.path_column, names) if config.path_column in table.columns else None
    others = {config.label_column, config.group_column, config.split_column, *config.label_columns}
    others |= set(known(table.columns, (*LABELS, *GROUPS, *SPLITS)))
    possible = [column for column in table.columns if column not in others and _may_name_files(table, column)]
    found = {column: _num_found(table, column, names) for column in possible}
    called = [column for column in known(table.columns, PATHS) if column in found]
    naming = [
        column
        for column, (num, out_of) in found.items()
        if num and (column in called or num >= config.min_found_share * out_of)
    ]  # fmt: skip
    with_endings = {column for column in naming if _has_endings(table, column)}
    chosen = [column for column in called if column in with_endings]
    chosen = chosen or [column for column in naming if column in called or column in with_endings]
    if not chosen and called:
        return _named(table, called[0], names)
    chosen = chosen or [column for column in naming if _never_repeats(table, column)] or naming
    if not chosen:
        return None
    _refuse_differing(table, chosen, names)
    rest = [column for column in naming if column not in chosen and _never_repeats(table, column)]
    also = [column for column in rest if _differing(table, chosen[0], column, names)]
    certain = chosen[0] in called or chosen[0] in with_endings
    return PathColumn(chosen[0], found[chosen[0]][0], certain, _notes(table, chosen[0], also))


def _named(table: Table, column: str, names: FileNames) -> PathColumn:
    """The column that is called path or the like, whether it names files or not."""
    ends = (cell.replace("\\", "/").rpartition("/")[2] for cell in table.cells(column))
    return PathColumn(column, _num_found(table, column, names)[0] or sum(has_image_suffix(end) or bool(names.locate(end)) for end in ends))


def _may_name_files(table: Table, column: str) -> bool:
    """Whether a column's cells are texts or numbers, not lists, structs, or bytes too long for a path."""
    kind = table.values[column].type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_bytes = pa.types.is_binary(value) or pa.types.is_large_binary(value)
    cells = table.values[column].cast(value) if is_bytes else None
    return not pa.types.is_nested(value) and (cells is None or (pc.max(pc.binary_length(cells)).as_py() or 0) <= MAX_BYTES)


def _num_found(table: Table, column: str, names: FileNames) -> tuple[int, int]:
    """How many of a column's cells name files, and out of how many that are not empty."""
    return _count(table, column, lambda cell: bool(names.locate(cell, table.name)))


def _count(table: Table, column: str, holds: Callable[[str], bool]) -> tuple[int, int]:
    """For how many of a column's cells something holds, and out of how many that are not empty; each text is tried once."""
    texts, codes = table.encoded(column)
    counts = np.bincount(codes, minlength=len(texts)).tolist()
    filled = [(text, count) for text, count in zip(texts, counts, strict=True) if text]
    return sum(count for text, count in filled if holds(text)), sum(count for _, count in filled)


def _never_repeats(table: Table, column: str) -> bool:
    texts, codes = table.encoded(column)
    return len(texts) == len(codes)


def _has_endings(table: Table, column: str) -> bool:
    """Whether most of a column's cells are paths, or names with an image's ending."""
    num, out_of = _count(table, column, lambda cell: "/" in cell or "\\" in cell or has_image_suffix(cell))
    return 2 * num > out_of


def _refuse_differing(table: Table, columns: list[str], names: FileNames) -> None:
    """Refuses columns of which each names files, but others in some row."""
    first, *others = columns
    for other in others:
        if differing := _differing(table, first, other, names):
            raise InputError(
                f"{table.name} has two columns that name files, {first!r} and {other!r}, but not the same ones "
                f"({' and '.join(differing)}): name the right one in ingest.path_column"
            )


def _differing(table: Table, first: str, other: str, names: FileNames) -> tuple[str, str] | None:
    """The first cells of a row that name different files."""
    for one, two in zip(table.cells(first), table.cells(other), strict=True):
        if one != two and one and two and names.locate(one, table.name) != names.locate(two, table.name):
            return one, two
    return None


def _notes(table: Table, chosen: str, others: list[str]) -> tuple[str, ...]:
    if not others:
        return ()
    listed = first_few(list(map(repr, others)))
    return (f"{listed} of {table.name} could name files as well: {chosen!r} is called so, or holds whole names, and is taken",)
