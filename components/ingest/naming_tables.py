"""Finds the tables in a source that name its files."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from components.ingest.annotations import UnansweredError
from components.ingest.cells import is_missing
from components.ingest.column_names import GROUPS, known
from components.ingest.config import TableConfig
from components.ingest.file_names import FileNames, is_absolute
from components.ingest.joined_tables import NamingTable
from components.ingest.listing import first_few
from components.ingest.parquet_table import image_columns
from components.ingest.path_columns import path_column
from components.ingest.sources import Source
from components.ingest.split_names import split_in
from components.ingest.table_candidates import Candidates, find_candidates, is_text, names_files
from components.ingest.tables import Table, read_table
from components.ingest.unread_tables import check_unread
from darkroom.system.errors import InputError

MAX_TRIED = 5  # of tables that are too many


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
    candidates = Candidates([wanted], [], [], []) if wanted else find_candidates(source)
    for path in candidates.paths:
        try:
            table = read_table(path, source.read_table(path), names, config.encoding, config.label_column)
        except InputError as error:
            is_meant = wanted or isinstance(error, UnansweredError) or names_files(source, path, names)
            errors += [error] if is_meant else []
            others += [] if is_meant else [path]
            continue
        try:
            found = _naming_table(source, table, names, config, bool(wanted))
        except InputError as error:
            errors.append(error)
            continue
        is_nested = not found and ".json" in path.lower() and names_files(source, path, names)
        errors += [_nested(path)] if is_nested else []
        naming += [found] if found else []
        others += [] if found or is_nested else [path]
    errors += [_too_many(part) for part in candidates.many if any(names_files(source, path, names) for path in part[:MAX_TRIED])]
    not_read, notes = check_unread(source, candidates.unread, names)
    if tables := [path for path in others if not is_text(path)]:
        notes.append(f"{len(tables)} table(s) name no file here and are not used: {first_few(tables)}")
    if texts := [path for path in others if is_text(path)]:
        notes.append(f"{len(texts)} text(s) are no tables of files here: {first_few(texts)}")
    return FoundTables(naming, [*errors, *not_read], (*candidates.notes, *notes))


def _naming_table(source: Source, table: Table, names: FileNames, config: TableConfig, wanted: bool) -> NamingTable | None:
    """Finds the column that names files; none if there is no such column and nobody asked for it."""
    texts = [column for column in table.columns if not table.is_list(column)]
    elsewhere = {column: names.learn_folder(table.distinct(column), table.name) for column in texts}
    column = path_column(table, config, names)
    if column and any(map(is_absolute, table.distinct(column.name))):
        folder = elsewhere.get(column.name) or "the data's own folder"
        note = f"column {column.name!r} of {table.name} holds absolute paths: what follows {folder} in them is taken"
        column = replace(column, notes=(*column.notes, note))
    if (not column or not column.num_found) and (pictures := image_columns(table.values)):
        raise InputError(
            f"{table.name} holds images itself, in column {pictures[0]!r}, which is not read beside files of images, nor in an archive: "
            "put it into a folder of its own (an archive is to be unpacked), and name that as the data"
        )
    if column:
        return NamingTable(table, column, _split(table.name))
    _refuse_folders(source, table)
    if wanted or (config.path_column and not is_text(table.name)):
        columns = ", ".join(table.columns) or "none"
        raise InputError(f"{table.name} has no column of file names (columns: {columns}): name it in ingest.path_column")
    return None


def _nested(path: str) -> InputError:
    return InputError(f"{path} names files here, but in no column: save it as CSV with a row for each file")


def _too_many(paths: list[str]) -> InputError:
    return InputError(
        f"{len(paths):,} files ({first_few(paths)}) are more than are read, and some are tables of files here: write one table, or name "
        "them in ingest.ignore"
    )


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
