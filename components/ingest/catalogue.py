"""Opens a data source, and lists its files by its table of labels or by its class folders."""

from collections.abc import Sequence
from pathlib import Path

from components.ingest.archives import open_archive
from components.ingest.columns import Columns, find_columns, path_column
from components.ingest.config import TableConfig
from components.ingest.file_names import FileNames
from components.ingest.folders import list_folders
from components.ingest.listing import Listing, first_few
from components.ingest.sources import FolderSource, Source
from components.ingest.table_files import list_table
from components.ingest.tables import Table, read_table
from darkroom.data_files import is_table, printable
from darkroom.system.errors import InputError


def list_source(source: Source, table: str, config: TableConfig, task: str) -> Listing:
    """Lists the files of a source by its table of labels if there is one, else by its class folders.

    Args:
        source: The files.
        table: The table that the user pointed at, or an empty string.
        config: How tables are read.
        task: The task that the user set, or `auto`.

    Raises:
        InputError: See `list_folders` and `list_table`; or several tables could hold the labels.
    """
    if config.table == "none" and not table:
        return list_folders(source)
    wanted = table or config.table
    if wanted and wanted not in source.sizes:
        raise InputError(f"ingest.table is {wanted!r}, which is not in {source.name}: name a file there, or leave it empty")
    names = FileNames(source.sizes)
    usable: list[tuple[Table, Columns]] = []
    errors: list[InputError] = []
    for path in [wanted] if wanted else _tables(source):
        try:
            usable += _usable(source, path, config, names, bool(wanted))
        except InputError as error:
            errors.append(error)
    if len(usable) > 1:
        raise InputError(f"{source.name} has several tables of labels ({first_few([t.name for t, _ in usable])}): name one in ingest.table")
    if not usable:
        return _without_table(source, errors, config, bool(wanted))
    return list_table(source, *usable[0], names, config, task)


def _tables(source: Source) -> list[str]:
    return [path for path in source.sizes if "/" not in path and is_table(path)]


def _usable(source: Source, path: str, config: TableConfig, names: FileNames, wanted: bool) -> list[tuple[Table, Columns]]:
    table = read_table(path, source.read_table(path))
    column = path_column(table, config, names)
    if not column and (wanted or config.path_column):
        known = ", ".join(table.columns) or "none"
        raise InputError(f"{path} has no column of file names (columns: {known}): name it in ingest.path_column")
    return [(table, find_columns(table, config, column))] if column else []


def _without_table(source: Source, errors: Sequence[InputError], config: TableConfig, wanted: bool) -> Listing:
    """The class folders; if there are none, the error of the table that could not be used."""
    demanded = wanted or config.path_column or config.label_column or config.label_columns
    if not errors:
        if demanded:
            raise InputError(f"{source.name} has no table of labels, but the settings name one or its columns: leave them empty")
        return list_folders(source)
    try:
        listing = list_folders(source)
    except InputError:
        raise errors[0] from None
    if demanded or len({file.labels for file in listing.files}) < 2:
        raise errors[0]
    return listing


def open_source(data: Path, max_bytes: int) -> tuple[Source, str]:
    """Opens the data source that the user named.

    Args:
        data: A folder, a table of labels that lies beside its images, a zip or a tar (recognized by content).
        max_bytes: No file above this size is read.

    Returns:
        The source, and the table's path in it where the user named a table, else an empty string.

    Raises:
        InputError: It does not exist, is of another kind, or is a damaged or hostile archive.
    """
    if not data.exists():
        raise InputError(f"{data} does not exist: name a folder of images, a table of labels, a zip or a tar")
    if data.is_dir():
        return FolderSource(data, max_bytes), ""
    if is_table(data):
        return FolderSource(data, max_bytes), printable(data.name)
    return open_archive(data, max_bytes), ""
