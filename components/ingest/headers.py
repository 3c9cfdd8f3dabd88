"""The first row of a CSV: names of columns, or, in a table without a header, the first picture."""

import pyarrow as pa

from components.ingest.column_names import NAMELESS, ROLES, plain_name
from components.ingest.csv_table import CsvFile
from components.ingest.file_names import FileNames
from components.ingest.listing import first_few, has_image_suffix
from darkroom.system.errors import InputError


def with_header(name: str, file: CsvFile, names: FileNames) -> tuple[pa.Table, tuple[str, ...]]:
    """The table under the names that its first row gives, or under names of its own where that row is a picture's.

    Args:
        name: The table's path in the source.
        file: Its first row, and its columns.
        names: The files of the source.

    Returns:
        The columns that have a name, and sentences that say what was decided.

    Raises:
        InputError: It has no header, and what its columns mean is not clear; or two columns have one name.
    """
    notes = [f"{file.num_empty} empty row(s) of {name} are no rows"] if file.num_empty else []
    if _lacks_header(name, file, names):
        table = _named_by_itself(name, file)
        columns = " and ".join("an image" if column == "filename" else f"its {column}" for column in table.column_names)
        notes.append(f"{name} has no header: its first row, {', '.join(file.first)!r}, is read as {columns}")
        return table, tuple(notes)
    header = [cell or _own_name(number, column) for number, (cell, column) in enumerate(zip(file.first, file.columns, strict=True))]
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {twice[0]!r} twice: rename one")
    named = [number for number, column in enumerate(header) if column]
    if any(not cell for cell in file.first):
        left_out = len(header) - len(named)
        notes += [f"{left_out} column(s) of {name} without a name are empty and left out"] if left_out else []
    return pa.table([file.columns[number] for number in named], names=[header[number] for number in named]), tuple(notes)


def _own_name(number: int, column: pa.ChunkedArray) -> str:
    """The name of a column that has none, as pandas gives it; none for an empty column."""
    return f"{NAMELESS}{number}" if any(column.to_pylist()) else ""


def _lacks_header(name: str, file: CsvFile, names: FileNames) -> bool:
    """Whether the first row is a picture's: one of its cells names a file as the cells below it do.

    Raises:
        InputError: The first row is one like the others, but names no file.
    """
    if any(has_image_suffix(cell.replace("\\", "/")) for cell in file.first):
        return True
    if any(plain_name(cell) in ROLES for cell in file.first):
        return False
    counted = file.first == [str(number) for number in range(len(file.first))]  # as pandas names columns that have no name
    like_others = []
    for cell, column in zip(file.first, file.columns, strict=True):
        below = [text for text in column.to_pylist() if text]
        if counted and not all(text.isdigit() for text in below):
            return False
        if cell and names.locate(cell, name) and sum(bool(names.locate(text, name)) for text in below) * 2 >= max(len(below), 1):
            return True
        like_others.append(bool(cell) and cell in set(column.to_pylist()))
    if any(like_others) and not counted:
        raise InputError(
            f"{name} has no header: its first row ({first_few(file.first)}) is like the others: add a first row such as filename,label"
        )
    return False


def _named_by_itself(name: str, file: CsvFile) -> pa.Table:
    """The table with its first row, its two columns called filename and label."""
    filled = [
        (cell, column) for cell, column in zip(file.first, file.columns, strict=True) if cell or any(column.to_pylist())
    ]  # a line may end in a delimiter
    paths = [number for number, (cell, _) in enumerate(filled) if has_image_suffix(cell.replace("\\", "/"))] or [0]
    if len(filled) == 1:
        return pa.table([pa.chunked_array([pa.array([cell]), *column.chunks], pa.string()) for cell, column in filled], names=["filename"])
    if len(filled) != 2 or len(paths) != 1:
        raise InputError(
            f"{name} has no header: its first row ({first_few(file.first)}) names an image: add a first row that names the columns, "
            "such as filename,label"
        )
    columns = [pa.chunked_array([pa.array([cell]), *column.chunks], pa.string()) for cell, column in filled]
    other = "number" if _counts(columns[1 - paths[0]].to_pylist()) else "label"
    return pa.table(columns, names=["filename", other] if paths == [0] else [other, "filename"])


def _counts(cells: list[str]) -> bool:
    """Whether cells are the numbers of their rows."""
    return len(cells) > 2 and any(cells == [str(number) for number in range(start, start + len(cells))] for start in (0, 1))
