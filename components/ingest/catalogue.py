"""Opens a data source, and lists its files by its table of labels or by its class folders."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from components.ingest.archives import open_archive
from components.ingest.columns import NONE, NoLabelsError, find_columns, holds_labels, with_only_column
from components.ingest.config import TableConfig
from components.ingest.file_names import FileNames
from components.ingest.folder_labels import class_folders, join_folders, refuse_contradiction
from components.ingest.folders import list_folders
from components.ingest.joined_tables import NamingTable, belong_together, resolve_files
from components.ingest.label_spelling import fold_listing
from components.ingest.listing import Listing, first_few, has_image_suffix
from components.ingest.naming_tables import FoundTables, find_tables
from components.ingest.parquet_images import open_parquet_images
from components.ingest.shards import TABLE
from components.ingest.sources import FolderSource, Source, without_ignored
from components.ingest.split_lists import folders_of_list, refuse_lists, without_lists
from components.ingest.table_files import TableFiles, list_table
from components.ingest.tables import SPREADSHEETS
from components.ingest.webdataset import open_webdataset
from darkroom.data_files import is_table, printable
from darkroom.system.errors import InputError
from darkroom.verdicts import FILE as VERDICTS

COLUMNS = ("path_column", "label_column", "label_columns", "group_column", "split_column")  # settings that name columns of a table


def list_source(source: Source, table: str, config: TableConfig, task: str) -> Listing:
    """Lists the files of a source by its tables of labels if there are some, else by its class folders.

    Args:
        source: The files.
        table: The table that the user pointed at, or an empty string.
        config: How tables are read.
        task: The task that the user set, or `auto`.

    Returns:
        The listing; the first of its notes says where labels are from, if a table names the files.

    Raises:
        InputError: See `list_folders` and `list_table`; or several tables could hold the labels.
    """
    remaining, notes = without_ignored(source, config.ignore)
    left_out = [path for path in source.sizes if path not in remaining.sizes]
    listing = _list(remaining, table, config, task, FileNames(left_out, source.root))
    listing = fold_listing(listing) if config.labels == "fold" else listing
    num_ignored = listing.num_ignored + len(source.sizes) - len(remaining.sizes)
    return replace(listing, num_ignored=num_ignored, notes=(*listing.notes, *source.notes, *notes))


def _list(source: Source, table: str, config: TableConfig, task: str, ignored: FileNames) -> Listing:
    if table == TABLE and config.table:
        table = ""  # what shards say gives way to what the user names
    if config.table == NONE and not table:
        return _without_table(source, (), config)
    wanted = table or config.table.removeprefix("./")
    if wanted and wanted not in source.sizes:
        raise InputError(f"ingest.table is {wanted!r}, which is not in {source.name}: name a file there, or leave it empty")
    if wanted == VERDICTS:
        raise InputError(
            f"{wanted} in {source.name} is named as people's verdicts are, and is no table of labels: name another, or rename it"
        )
    names = FileNames(source.sizes, source.root)
    found = find_tables(source, names, config, wanted)
    folders = class_folders(source, config)
    certain = found.naming if wanted else _certain(source, found.naming) or ([] if folders else found.naming)
    naming, same = without_lists(certain)
    _refuse_unclear_tables(source, found, naming, names, bool(wanted or not (folders or naming)))
    others = [one.table.name for one in found.naming if one not in certain]
    unused = [f"{len(others)} table(s) name other things than files here, and are not used: {first_few(others)}"] if others else []
    if not naming:
        return _without_table(source, (*unused, *found.notes), config, folders)
    listing = _list_tables(source, resolve_files(naming, names, ignored), None if wanted else folders, config, task)
    return replace(listing, notes=(*listing.notes, *unused, *same, *found.notes))


def _refuse_unclear_tables(source: Source, found: FoundTables, naming: list[NamingTable], names: FileNames, alone: bool) -> None:
    """Refuses tables that can't be read, and several that do not belong together.

    Args:
        source: The files.
        found: All tables.
        naming: Those that name files.
        names: Finds files by what a table calls them.
        alone: Whether there is nothing beside a table that can't be read which could be taken in its place.
    """
    if found.errors and alone:
        raise found.errors[0]
    if found.errors:
        remedy = (
            "name it in ingest.ignore, or set ingest.table to the one that holds the labels" if naming else f"set ingest.table to {NONE}"
        )
        raise InputError(f"{found.errors[0]}; or {remedy}")
    if len(naming) > 1 and not belong_together(naming, names):
        tables = first_few([one.table.name for one in naming], 6)
        raise InputError(
            f"{source.name} has several tables of labels ({tables}): name one in ingest.table, set it to none, or "
            "name the others in ingest.ignore"
        )


def _certain(source: Source, naming: list[NamingTable]) -> list[NamingTable]:
    """The tables that name files for certain; and those whose numbers may be names, for most images, if they alone hold labels."""
    num_images = sum(map(has_image_suffix, source.sizes))
    found = [one for one in naming if one.column.num_found]
    certain = [one for one in found if one.column.is_certain]
    numbered = [one for one in found if not one.column.is_certain]
    if not any(2 * len(one.table) >= num_images for one in numbered):
        return certain
    labelled = [one for one in numbered if holds_labels(one.table)]
    if certain:
        return certain if any(holds_labels(one.table) for one in certain) else [*certain, *labelled]
    return [one for one in numbered if one in labelled or 2 * len(one.table) >= num_images]


def _list_tables(source: Source, files: TableFiles, folders: Listing | None, config: TableConfig, task: str) -> Listing:
    """Lists the files that tables name; their labels may be the class folders', if there are any beside a table found by itself."""
    try:
        columns = find_columns(files.table, config, files.column, task)
    except NoLabelsError as error:
        if not folders and error.only and not config.label_column:
            columns = with_only_column(files.table, error)
        elif beside := folders or class_folders(source, config) or folders_of_list(source, files, config):
            return join_folders(source, files, beside, config, error)
        else:
            refuse_lists(source, files)
            raise
    listing = list_table(source, files, columns, config, task)
    if not config.label_column and not config.label_columns:
        refuse_contradiction(listing, folders, files.table.name)
    return listing


def _without_table(source: Source, notes: Sequence[str], config: TableConfig, folders: Listing | None = None) -> Listing:
    """The class folders, where no table is asked for; `folders` if they are known."""
    columns = {f"ingest.{name}": getattr(config, name) for name in COLUMNS}
    if named := [f"{name} ({value})" for name, value in columns.items() if value and value != NONE]:
        raise InputError(
            f"no table of {source.name} is read, but {first_few(named)} names a column of one: leave it empty, or set ingest.table"
        )
    try:
        listing = folders or list_folders(source, config.split_folders)
    except InputError as error:
        raise InputError("; ".join((str(error), *notes))) from None
    return replace(listing, notes=(*listing.notes, *notes))


def open_source(data: Path, max_bytes: int, kept: Mapping[str, int] = MappingProxyType({})) -> tuple[Source, str]:
    """Opens the data source that the user named.

    Args:
        data: A folder, a table of labels that lies beside its images, a zip or a tar (recognized by content).
        max_bytes: No file above this size is read.
        kept: Bytes by path of files that were not fetched into the folder.

    Returns:
        The source, and the table's path in it where the user named a table or the source has one of its own, else an empty string.

    Raises:
        InputError: It does not exist, is of another kind, or is a damaged or hostile archive.
    """
    if not data.exists():
        raise InputError(f"{data} does not exist: name a folder of images, a table of labels, a zip or a tar")
    if data.is_dir() or is_table(data):
        folder = FolderSource(data, max_bytes, kept)
        if shards := open_parquet_images(folder, max_bytes) or open_webdataset(folder, max_bytes):
            return shards, TABLE
        return folder, "" if data.is_dir() else printable(data.name)
    if data.name.lower().endswith(SPREADSHEETS):
        raise InputError(f"{data} is a spreadsheet, which is not read: save it as CSV")
    archive = open_archive(data, max_bytes)
    if tar := open_webdataset(archive, max_bytes):
        return tar, TABLE
    return archive, ""
