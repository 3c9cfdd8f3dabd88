"""Several tables that belong together, as one: of each split one, or of each folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import pyarrow as pa

from components.ingest.column_names import GROUPS, LABELS, known, plain_name
from components.ingest.file_names import FileNames
from components.ingest.indicators import indicator_words
from components.ingest.listing import first_few
from components.ingest.path_columns import PathColumn
from components.ingest.table_files import TableFiles
from components.ingest.tables import Table
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


def resolve_files(naming: Sequence[NamingTable], names: FileNames, ignored: FileNames) -> TableFiles:
    """Finds the files that tables name; several tables are read as one. Rows of files that are ignored are none.

    Args:
        naming: The tables.
        names: Finds files by what a table calls them.
        ignored: Finds those that the user leaves out.

    Raises:
        InputError: A name is not safe or not clear, the tables' columns differ, or all rows are of files that are ignored.
    """
    naming, unanswered = _without_answers(naming)
    table, renamed = _joined(naming)
    split_by_place = len(naming) > 1 or "/" in naming[0].table.name
    paths: list[str | None] = []
    splits: list[str] = []
    left_out: dict[int, str] = {}
    for one in naming:
        cells = one.table.cells(one.column.name)
        split = one.split if split_by_place else ""
        start = len(paths)
        ignored.learn_folder(one.table.distinct(one.column.name), one.table.name)
        paths += [names.resolve(cell, one.table.name, split) if cell else None for cell in cells]
        splits += [split] * len(cells)
        found = paths[start:]
        left_out |= {start + number: cells[number] for number in _left_out(cells, found, one.table.name, split, ignored)}
    notes = tuple(note for one in naming for note in (*one.table.notes, *one.column.notes))
    files = TableFiles(table, naming[0].column.name, paths, splits, (*notes, *renamed, *unanswered), len(naming))
    return _without_rows(files, left_out) if left_out else files


def _left_out(cells: Sequence[str], paths: Sequence[str | None], table: str, split: str, ignored: FileNames) -> list[int]:
    """The rows whose files are ignored. A folder whose files are called as found ones too (masks) holds no missing image."""
    places = {
        number: {_folder(path) for path in ignored.locate(cell, table, split)}
        for number, (cell, path) in enumerate(zip(cells, paths, strict=True))
        if cell and path is None
    }
    if not any(places.values()):
        return []
    named = {cell for cell, path in zip(cells, paths, strict=True) if path}
    parallel = {_folder(path) for cell in named for path in ignored.locate(cell, table, split)}
    return [number for number, folders in places.items() if folders - parallel]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _without_rows(files: TableFiles, left_out: Mapping[int, str]) -> TableFiles:
    """The files without those of some rows, whose names are given, and a sentence that says so."""
    if len(left_out) == len(files.paths):
        raise InputError(
            f"all files that {files.table.name} names are left out by ingest.ignore: keep some, or leave the table out as well"
        )
    kept = [number for number in range(len(files.paths)) if number not in left_out]
    note = (
        f"{len(left_out):,} row(s) of {files.table.name} name files that ingest.ignore leaves out, and are left out with them: "
        f"{first_few(list(left_out.values()))}"
    )
    return replace(
        files,
        table=replace(files.table, values=_without_dictionaries(files.table.values.take(pa.array(kept, pa.int64()))), _encoded={}),
        paths=[files.paths[number] for number in kept],
        splits=[files.splits[number] for number in kept],
        notes=(*files.notes, note),
    )


def belong_together(naming: Sequence[NamingTable], names: FileNames) -> bool:
    """Whether each table is that of another split, by its folder or by its own name, or of another folder's files in the same columns.

    Args:
        naming: The tables.
        names: Finds files by what a table calls them.
    """
    splits = [one.split for one in naming]
    if "" not in splits and len(set(splits)) == len(splits):
        return True
    folders = [one.table.name.rpartition("/")[0] + "/" for one in naming]
    are_apart = not any(one.startswith(other) for one, other in permutations(folders, 2)) and "/" not in folders
    same = len({tuple(sorted(one.table.columns)) for one in naming}) == 1
    return are_apart and same and all(_stays_in(one, folder, names) for one, folder in zip(naming, folders, strict=True))


def _without_answers(naming: Sequence[NamingTable]) -> tuple[Sequence[NamingTable], list[str]]:
    """The tables without those that lack all of another's columns of 0 and 1 and say nothing else: names to predict; and sentences."""
    left = [one for one in naming if any(_only_names(one.table, other.table) for other in naming if other is not one)]
    told = [f"{one.table.name} names {len(one.table):,} file(s) without a label, which are left out" for one in left]
    return [one for one in naming if one not in left], told


def _only_names(table: Table, other: Table) -> bool:
    lacking = [column for column in other.columns if column not in table.columns]
    labels = [column for column in lacking if indicator_words(other, column) is not None]
    return set(table.columns) < set(other.columns) and len(labels) > 1 and not known(other.columns, LABELS)


def _stays_in(one: NamingTable, folder: str, names: FileNames) -> bool:
    """Whether all files that a table names lie in this folder."""
    found = (names.locate(cell, one.table.name) for cell in one.table.distinct(one.column.name) if cell)
    return all(path.startswith(folder) for paths in found for path in paths)


def _joined(naming: Sequence[NamingTable]) -> tuple[Table, list[str]]:
    """The tables below each other, and sentences about columns that they call differently."""
    first = naming[0].table
    if len(naming) == 1:
        return first, []
    names = [one.table.name for one in naming]
    name = " and ".join(names) if len(names) < 4 else first_few(names)
    typed = [one.table for one in naming if one.table.typed]
    if len(typed) not in (0, len(naming)):
        raise InputError(f"{name} are of different formats: write all as CSV or all as Parquet")
    others = {one.table.name: dict(_renamed(naming[0], one)) for one in naming}
    _refuse_lost_labels(naming, others)
    told = [f"{old!r} of {table} is read as {new!r} of {first.name}" for table, pairs in others.items() for old, new in pairs.items()]
    try:
        plain = [_without_dictionaries(_rename(one.table.values, others[one.table.name])) for one in naming]
        return Table(name, pa.concat_tables(plain, promote_options="permissive"), first.typed), told
    except pa.ArrowException:
        raise InputError(f"{name} have a column whose types differ: write it in one type") from None


def _renamed(first: NamingTable, one: NamingTable) -> Iterator[tuple[str, str]]:
    """The columns of file names, labels and groups that the first table calls differently, each with its name there.

    Raises:
        InputError: They may not be the same.
    """
    pairs = [(one.column.name, first.column.name)]
    labels, others = known(one.table.columns, LABELS), known(first.table.columns, LABELS)
    if len(labels) == len(others) == 1:
        pairs += [(labels[0], others[0])]
    pairs += [
        (here, there) for here in known(one.table.columns, GROUPS) for there in known(first.table.columns, GROUPS) if _same(here, there)
    ]
    for here, there in pairs:
        if here != there:
            is_label = here in labels and not one.table.distinct(here) & first.table.distinct(there)
            if is_label or there in one.table.columns or here in first.table.columns:
                raise InputError(
                    f"{first.table.name} and {one.table.name} call a column differently ({there!r}, {here!r}), which may not be the same: "
                    "give it one name in both, or name one of the tables in ingest.ignore"
                )
            yield here, there


def _same(here: str, there: str) -> bool:
    return plain_name(here).removesuffix("id") == plain_name(there).removesuffix("id")


def _refuse_lost_labels(naming: Sequence[NamingTable], renamed: Mapping[str, Mapping[str, str]]) -> None:
    """Refuses a table without the others' column of labels that has one which these don't have: it may hold them."""
    columns = {one.table.name: {renamed[one.table.name].get(name, name) for name in one.table.columns} for one in naming}
    for (table, here), (other, there) in permutations(columns.items(), 2):
        lacking = known(there - here, LABELS)
        if lacking and not known(here, LABELS) and (more := sorted(here - there)):
            raise InputError(
                f"{table} has no column {lacking[0]!r} as {other} has, but {first_few(list(map(repr, more)))}: give columns of labels one "
                "name in both, or name one of the tables in ingest.ignore"
            )


def _rename(values: pa.Table, names: Mapping[str, str]) -> pa.Table:
    return values.rename_columns([names.get(name, name) for name in values.column_names])


def _without_dictionaries(table: pa.Table) -> pa.Table:
    fields = [field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in table.schema]
    return table.cast(pa.schema([field.with_nullable(True) for field in fields]))
