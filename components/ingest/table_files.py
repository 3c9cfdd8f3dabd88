"""Lists the files that a table of labels names, with their labels, groups, splits and the user's own columns."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from components.ingest.cells import is_missing, plain
from components.ingest.columns import Columns
from components.ingest.config import TableConfig
from components.ingest.given_splits import read_splits
from components.ingest.label_spelling import fold_labels
from components.ingest.labels import Labels, read_labels
from components.ingest.listing import Listed, Listing, first_few, is_picture_name, packed_archives
from components.ingest.sources import Source
from components.ingest.split_names import split_in
from components.ingest.tables import Table
from components.ingest.user_columns import read_user_columns
from darkroom.data_files import is_table
from darkroom.system.errors import InputError


@dataclass(frozen=True)
class TableFiles:
    """A table, or several with the same columns as one, and the files that its rows name.

    Attributes:
        table: The table.
        column: The column that names files.
        paths: The file of each row; none where it does not exist.
        splits: The split that the place or the name of the row's table says; empty texts where it says none.
        notes: Sentences that say what was decided.
        num_tables: How many tables they are.
    """

    table: Table
    column: str
    paths: list[str | None]
    splits: list[str]
    notes: tuple[str, ...] = ()
    num_tables: int = 1


def list_table(source: Source, files: TableFiles, columns: Columns, config: TableConfig, task: str) -> Listing:
    """Lists the files that a table names.

    Args:
        source: The files.
        files: The table, and the files that it names.
        columns: What its columns mean.
        config: How tables are read.
        task: The task that the user set, or `auto`.

    Raises:
        InputError: Files do not exist, or a file has two answers.
    """
    labels = read_labels(files.table, columns, config, task)
    labels = fold_labels(labels) if config.labels == "fold" else labels
    refuse_missing(source, files, config)
    table = files.table
    listed, place_notes = _without_sole_split(_list_rows(files, columns, labels, config), columns)
    cells = table.cells(columns.path)
    unlabelled = [cell for cell, path, file in zip(cells, files.paths, listed, strict=True) if path is not None and file is None]
    if not any(listed):
        raise InputError(f"{table.name} has no label for any file that exists ({first_few(list(labels.columns))}): add some")
    rows, repeated = first_rows(listed, table.name)
    user_columns = read_user_columns(table, {*columns.used, *labels.columns}, rows, repeated)
    notes = [
        f"labels from {table.name}: {_meanings(columns, labels)}",
        *files.notes,
        *columns.notes,
        *labels.notes,
        *place_notes,
        *_left_out(source, files, unlabelled),
        *repeated_rows(table.name, listed, repeated),
        *user_columns.notes,
    ]
    return Listing(
        [file for row in rows if (file := listed[row])],
        classes=labels.classes,
        multilabel=labels.multilabel,
        named=True,
        num_ignored=len(source.sizes) - len(set(files.paths) - {None}) - files.num_tables,
        unlabelled=tuple(path for path, file in zip(files.paths, listed, strict=True) if path is not None and file is None),
        num_missing=files.paths.count(None),
        notes=tuple(notes),
        user_columns=user_columns.values,
    )


def refuse_missing(source: Source, files: TableFiles, config: TableConfig) -> None:
    """Refuses a table without rows, and one that names files that do not exist, unless the settings say that they are dropped.

    Raises:
        InputError: It is such a table.
    """
    if not len(files.table):
        raise InputError(f"{files.table.name} in {source.name} has no rows: add a row for each image")
    missing = missing_names(files)
    if missing and (config.missing_files == "fail" or len(missing) == len(files.paths)):
        raise InputError(
            f"{files.table.name} names {len(missing)} file(s) that are not in {source.name}: {first_few(missing)}"
            f"{_alike(source, missing)}: put them there, take their rows out, name another column in ingest.path_column, set "
            "ingest.missing_files to drop, or set ingest.table to none to leave the table out"
        )


def _alike(source: Source, missing: list[str]) -> str:
    """Says in what the names of files that do not exist differ from those that do, or which archive may hold them."""
    there, called = ([PurePosixPath(name.replace("\\", "/").casefold()) for name in names] for names in (source.sizes, missing))
    names, stems = {path.name for path in there}, {path.stem for path in there if is_picture_name(path.name)}
    wanted = [path.stem for path in called]
    if any(path.name in names for path in called):
        return " (files of these names are in other folders)"
    if any(stem in stems for stem in wanted):
        return " (files of these names have another ending)"
    bare = {stem.lstrip("0") for stem in stems}
    if any(stem.lstrip("0") in bare for stem in wanted):
        return " (files of these names differ in leading zeros)"
    archives = [path for path in packed_archives(source.sizes) if not is_table(path)]
    return f" ({first_few(archives)} is not unpacked)" if archives else ""


def missing_names(files: TableFiles) -> list[str]:
    """What the table calls the files that do not exist."""
    if None not in files.paths:
        return []
    cells = files.table.cells(files.column)
    return [cell or "(empty cell)" for cell, path in zip(cells, files.paths, strict=True) if path is None]


def row_facts(files: TableFiles, columns: Columns, config: TableConfig) -> Iterator[tuple[str | None, str | None]]:
    """The group and the given split of each row.

    Raises:
        InputError: A column says that a file is for the test, and its folder or its table's place does not, or the reverse.
    """
    names, codes = files.table.encoded(columns.group) if columns.group else ([""], [0] * len(files.table))
    groups = [None if is_missing(name) else plain(name) for name in names]
    depth, folder_splits = _folder_splits(path for path in files.paths if path and config.split_folders != "classes")
    for code, said, placed, path in zip(codes, read_splits(files.table, columns.splits), files.splits, files.paths, strict=True):
        folders = (path or "").split("/")[depth:-1]
        by_place = placed or folder_splits.get(folders[0] if folders else "", "")
        if said and by_place and not config.split_column and said != by_place and "test" in (said, by_place):
            raise InputError(
                f"{files.table.name} says in {first_few(list(map(repr, columns.splits)))} that {path} is of the split {said}, its place "
                f"says {by_place}: name the column in ingest.split_column to take it, or set that to none to take the folders"
            )
        yield groups[code], (said if columns.splits else by_place) or None


def first_rows(listed: list[Listed | None], table: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Numbers of the first rows of all files, sorted by path; and pairs of the first and a later row of one file.

    Args:
        listed: The file of each row, or none.
        table: The table's name, for messages.

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


def repeated_rows(table: str, listed: list[Listed | None], repeated: list[tuple[int, int]]) -> list[str]:
    """A sentence that names the files of rows that come again; see `first_rows`."""
    again = sorted({file.path for _, row in repeated if (file := listed[row])})
    return [f"{len(repeated):,} row(s) of {table} name a file again and say the same, one row is read: {first_few(again)}"] if again else []


def _list_rows(files: TableFiles, columns: Columns, labels: Labels, config: TableConfig) -> list[Listed | None]:
    """The file of each row; none where it does not exist or has no label."""
    facts = zip(files.paths, labels.rows, row_facts(files, columns, config), strict=True)
    return [None if path is None or row is None else Listed(path, row, *group_and_split) for path, row, group_and_split in facts]


def _without_sole_split(listed: list[Listed | None], columns: Columns) -> tuple[list[Listed | None], list[str]]:
    """The files without their split, if folders or names of tables put all into the same one; and a sentence that says so."""
    splits = {file.given_split for file in listed if file}
    if columns.splits or len(splits) != 1 or splits == {None}:
        return listed, []
    note = f"all files with a label are of the split {splits.pop()}, by their place: no split is taken as given"
    return [file._replace(given_split=None) if file else None for file in listed], [note]


def _folder_splits(paths: Iterable[str]) -> tuple[int, dict[str, str]]:
    """The folders that stand for splits, by name, and how many folders are above them: `train/` and `test/`, `images/train/` ...

    A folder called train beside others that are no splits is not one: it may be a class of vehicles.
    """
    folders = {tuple(path.split("/")[:-1]) for path in paths}
    for depth in (0, 1):
        names = {folder[depth]: split_in(folder[depth]) or "" for folder in folders if len(folder) > depth}
        splits = set(names.values()) - {""}
        if len(splits) > 1 or (splits and "" not in names.values()):
            return depth, names
    return 0, {}


def _refuse_difference(first: Listed | None, later: Listed, table: str) -> None:
    if first is None or first == later:
        return
    if set(first.labels) != set(later.labels):
        says = " and ".join("|".join(file.labels) or "no label" for file in (first, later))
        raise InputError(f"{table} names {later.path!r} twice, with different labels ({says}): keep one row")
    raise InputError(f"{table} names {later.path!r} twice, with different groups or splits: keep one row")


def _is_padded(cell: str, path: str) -> bool:
    """Whether a number names a file that has another number of zeros in front."""
    number = re.sub(r"[.]0+$", "", cell)  # as tables of numbers have it
    stem = PurePosixPath(path).stem if number.isdecimal() else number
    return number != stem and number.lstrip("0") == stem.lstrip("0")


def _meanings(columns: Columns, labels: Labels) -> str:
    """Says which columns hold what."""
    named = first_few(list(map(repr, labels.columns)), 6)
    said = [f"column {columns.path!r} names the files", f"{named} {'holds' if len(labels.columns) == 1 else 'hold'} their labels"]
    said += [f"{' and '.join(map(repr, columns.splits))} their split"] if columns.splits else []
    said += [f"{columns.group!r} their group"] if columns.group else []
    return ", ".join(said)


def _left_out(source: Source, files: TableFiles, unlabelled: list[str]) -> Iterator[str]:
    missing = missing_names(files)
    named = set(files.paths)
    beside = [path for path in source.sizes if path not in named and is_picture_name(path) and not is_table(path)]
    if unlabelled:
        yield f"{len(unlabelled)} file(s) without a label are left out: {first_few(unlabelled)}"
    if missing:
        yield f"{len(missing)} file(s) that do not exist are left out: {first_few(missing)}"
    if beside:
        yield f"{len(beside)} image(s) that {files.table.name} does not name are left out: {first_few(beside)}"
    padded = [
        (cell, path) for cell, path in zip(files.table.cells(files.column), files.paths, strict=True) if path and _is_padded(cell, path)
    ]
    if padded:
        yield f"{len(padded)} number(s) name files with other leading zeros, as {padded[0][0]} names {padded[0][1]}"
