"""Finds the tables in a source that name its files, and reads several that belong together as one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import pyarrow as pa

from components.ingest.cells import is_missing
from components.ingest.column_names import GROUPS, known
from components.ingest.config import TableConfig
from components.ingest.file_names import FileNames, is_absolute
from components.ingest.listing import first_few
from components.ingest.parquet_table import holds_images
from components.ingest.path_columns import PathColumn, path_column
from components.ingest.sources import Source
from components.ingest.split_names import split_in
from components.ingest.table_candidates import Candidates, find_candidates, is_text, names_files
from components.ingest.table_files import TableFiles
from components.ingest.tables import Table, read_table
from components.ingest.unread_tables import check_unread
from darkroom.system.errors import InputError


@dataclass(frozen=True)
class NamingTable:
    """A table that names files of the source.

    Attributes:
        table: The table.
        column: The column that names them.
        split: The split that its folder or its own name says; an empty text if none.
    """

    table: Table
    column: PathColumn
    split: str


@dataclass(frozen=True)
class FoundTables:
    """The tables of a source.

    Attributes:
        naming: Those that name files.
        errors: Why others, which seem to name files, can't be read.
        notes: Sentences about those that name no files.
    """

    naming: list[NamingTable]
    errors: list[InputError]
    notes: tuple[str, ...] = ()


def find_tables(source: Source, names: FileNames, config: TableConfig, wanted: str) -> FoundTables:
    """Finds and reads the tables that name files of the source.

    Args:
        source: The files.
        names: Finds files by what a table calls them.
        config: How tables are read.
        wanted: The table that the user pointed at; empty for all that there are.
    """
    naming, errors, others = [], [], []
    candidates = Candidates([wanted], [], []) if wanted else find_candidates(source)
    for path in candidates.paths:
        try:
            table = read_table(path, source.read_table(path), names)
        except InputError as error:
            is_meant = wanted or names_files(source, path, names)
            errors += [error] if is_meant else []
            others += [] if is_meant else [path]
            continue
        try:
            found = _naming_table(source, table, names, config, bool(wanted))
        except InputError as error:
            errors.append(error)
            continue
        naming += [found] if found else []
        others += [] if found else [path]
    not_read, notes = check_unread(source, candidates.unread, names)
    if tables := [path for path in others if not is_text(path)]:
        notes.append(f"{len(tables)} table(s) name no file here and are not used: {first_few(tables)}")
    if texts := [path for path in others if is_text(path)]:
        notes.append(f"{len(texts)} text(s) are no tables of files here: {first_few(texts)}")
    return FoundTables(naming, [*errors, *not_read], (*candidates.notes, *notes))


def resolve_files(naming: Sequence[NamingTable], names: FileNames) -> TableFiles:
    """Finds the files that tables name; several tables are read as one.

    Args:
        naming: The tables.
        names: Finds files by what a table calls them.

    Raises:
        InputError: A name is not safe or not clear, or the tables' columns differ.
    """
    first = naming[0]
    split_by_place = len(naming) > 1 or "/" in first.table.name
    paths: list[str | None] = []
    splits: list[str] = []
    for one in naming:
        cells = one.table.cells(one.column.name)
        split = one.split if split_by_place else ""
        paths += [names.resolve(cell, one.table.name, split) if cell else None for cell in cells]
        splits += [split] * len(cells)
    notes = tuple(note for one in naming for note in (*one.table.notes, *one.column.notes))
    return TableFiles(_joined(naming), first.column.name, paths, splits, notes, len(naming))


def belong_together(naming: Sequence[NamingTable]) -> bool:
    """Whether each table is that of another split, by its folder or by its own name."""
    splits = [one.split for one in naming]
    return "" not in splits and len(set(splits)) == len(splits)


def _naming_table(source: Source, table: Table, names: FileNames, config: TableConfig, wanted: bool) -> NamingTable | None:
    """Finds the column that names files; none if there is no such column and nobody asked for it."""
    texts = [column for column in table.columns if not table.is_list(column)]
    elsewhere = {column: names.learn_folder(table.distinct(column), table.name) for column in texts}
    column = path_column(table, config, names)
    if column and any(map(is_absolute, table.distinct(column.name))):
        folder = elsewhere.get(column.name) or "the data's own folder"
        note = f"column {column.name!r} of {table.name} holds absolute paths: what follows {folder} in them is taken"
        column = replace(column, notes=(*column.notes, note))
    if (not column or not column.num_found) and (pictures := holds_images(table.values)):
        raise InputError(
            f"{table.name} holds the images themselves, in column {pictures!r}, which is not read: write them as files, and a table of "
            "their names"
        )
    if column:
        return NamingTable(table, column, _split(table.name))
    _refuse_folders(source, table)
    if wanted or (config.path_column and not is_text(table.name)):
        columns = ", ".join(table.columns) or "none"
        raise InputError(f"{table.name} has no column of file names (columns: {columns}): name it in ingest.path_column")
    return None


def _refuse_folders(source: Source, table: Table) -> None:
    """Refuses a table whose rows are about folders: nothing else says what those mean."""
    folders = {folder for path in source.sizes for folder in path.split("/")[:-1]}
    for column in known(table.columns, GROUPS):
        cells = {cell for cell in table.distinct(column) if not is_missing(cell)}
        if len(cells) > 1 and cells <= folders:
            raise InputError(
                f"{table.name} says something about folders ({first_few(sorted(cells))}, in column {column!r}), not about files: write a "
                "row for each file, with its path"
            )


def _split(path: str) -> str:
    """The split that the nearest folder of one, or else the table's own name says."""
    folders = [split for folder in reversed(path.split("/")[:-1]) if (split := split_in(folder))]
    return (folders or [split_in(PurePosixPath(path).name.partition(".")[0]) or ""])[0]


def _joined(naming: Sequence[NamingTable]) -> Table:
    """The tables below each other."""
    first = naming[0].table
    if len(naming) == 1:
        return first
    name = " and ".join(one.table.name for one in naming)
    columns = {one.column.name for one in naming}
    if len(columns) > 1:
        raise InputError(f"{name} call the column of file names differently ({', '.join(sorted(columns))}): give it one name")
    typed = [one.table for one in naming if one.table.typed]
    if len(typed) not in (0, len(naming)):
        raise InputError(f"{name} are of different formats: write all as CSV or all as Parquet")
    try:
        plain = [_without_dictionaries(one.table.values) for one in naming]
        return Table(name, pa.concat_tables(plain, promote_options="permissive"), first.typed)
    except pa.ArrowException:
        raise InputError(f"{name} have a column whose types differ: write it in one type") from None


def _without_dictionaries(table: pa.Table) -> pa.Table:
    fields = [field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in table.schema]
    return table.cast(pa.schema([field.with_nullable(True) for field in fields]))
