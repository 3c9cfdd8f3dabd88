"""Lists the files that a table of labels names, with their labels, groups, splits and the user's own columns."""

from pathlib import PurePosixPath

from components.ingest.columns import SPLIT_NAMES, Columns
from components.ingest.config import TableConfig
from components.ingest.file_names import FileNames
from components.ingest.labels import Labels, read_labels
from components.ingest.listing import Listed, Listing, first_few
from components.ingest.sources import SPLIT_FOLDERS, Source
from components.ingest.tables import Table
from components.ingest.user_columns import read_user_columns
from darkroom.system.errors import InputError


def list_table(source: Source, table: Table, columns: Columns, names: FileNames, config: TableConfig, task: str) -> Listing:
    """Lists the files that a table names.

    Args:
        source: The files.
        table: The table.
        columns: What its columns mean.
        names: Finds files by what the table calls them.
        config: How tables are read.
        task: The task that the user set, or `auto`.

    Raises:
        InputError: Files do not exist, a name is not safe or not clear, or a file has two answers.
    """
    labels = read_labels(table, columns, config.separator, task)
    cells = table.cells(columns.path)
    paths = [names.resolve(cell, table.name) if cell else None for cell in cells]
    missing = [cell or "(empty cell)" for cell, path in zip(cells, paths, strict=True) if path is None]
    if not cells or (missing and (config.missing_files == "fail" or len(missing) == len(cells))):
        _refuse_missing(source, table, missing)
    listed = _list_rows(table, columns, labels, paths)
    unlabelled = [cell for cell, path, file in zip(cells, paths, listed, strict=True) if path is not None and file is None]
    rows, repeated = _first_rows(listed, table.name)
    user_columns = read_user_columns(table, {columns.path, columns.group, columns.split, *labels.columns, *columns.twins}, rows, repeated)
    notes = [f"labels from {table.name}, column {columns.path!r} names the files"]
    if unlabelled:
        notes.append(f"{len(unlabelled)} file(s) without a label are left out: {first_few(unlabelled)}")
    if missing:
        notes.append(f"{len(missing)} file(s) that do not exist are left out: {first_few(missing)}")
    return Listing(
        [file for row in rows if (file := listed[row])],
        classes=labels.classes,
        multilabel=labels.multilabel,
        named=True,
        num_ignored=len(source.sizes) - len(set(paths) - {None}) - 1,
        num_unlabelled=len(unlabelled),
        num_missing=len(missing),
        notes=(*notes, *user_columns.notes),
        user_columns=user_columns.values,
    )


def _refuse_missing(source: Source, table: Table, missing: list[str]) -> None:
    if not len(table):
        raise InputError(f"{table.name} in {source.name} has no rows: add a row for each image")
    raise InputError(
        f"{table.name} names {len(missing)} file(s) that are not in {source.name}: {first_few(missing)}: put them there, take their "
        "rows out, or set ingest.missing_files to drop"
    )


def _list_rows(table: Table, columns: Columns, labels: Labels, paths: list[str | None]) -> list[Listed | None]:
    """The file of each row; none where it does not exist or has no label."""
    nothing = [""] * len(table)
    groups, splits = (table.cells(column) if column else nothing for column in (columns.group, columns.split))
    return [
        Listed(path, row, group or None, _split(path, split, table.name, columns.split) or None)
        if path is not None and (labels.multilabel or row)
        else None
        for path, row, group, split in zip(paths, labels.rows, groups, splits, strict=True)
    ]


def _split(path: str, cell: str, table: str, column: str) -> str:
    """The split that a row gives in its own column, or else by the folder that the file lies in."""
    if not column:
        return SPLIT_FOLDERS.get(PurePosixPath(path).parts[0].lower(), "") if "/" in path else ""
    if cell.lower() not in SPLIT_NAMES:
        raise InputError(
            f"{table} has {cell!r} in column {column!r}: a split is train, validation or test "
            "(set ingest.split_column to another column, or correct the value)"
        )
    return SPLIT_NAMES[cell.lower()]


def _first_rows(listed: list[Listed | None], table: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Numbers of the first rows of all files, sorted by path; and pairs of the first and a later row of one file.

    Raises:
        InputError: A later row says something else than the first.
    """
    rows: dict[str, int] = {}
    repeated = []
    for number, file in enumerate(listed):
        if file is not None and (first := rows.setdefault(file.path, number)) != number:
            _refuse_difference(listed[first], file, table)
            repeated.append((first, number))
    return [rows[path] for path in sorted(rows)], repeated


def _refuse_difference(first: Listed | None, later: Listed, table: str) -> None:
    if first is None or first == later:
        return
    if set(first.labels) != set(later.labels):
        says = " and ".join("|".join(file.labels) or "no label" for file in (first, later))
        raise InputError(f"{table} names {later.path!r} twice, with different labels ({says}): keep one row")
    raise InputError(f"{table} names {later.path!r} twice, with different groups or splits: keep one row")
