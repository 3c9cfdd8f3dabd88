"""Class folders beside a table: which of the two holds the labels, and a table of patients joined with the folders' labels."""

from dataclasses import replace

from components.ingest.columns import NONE, Columns, NoLabelsError
from components.ingest.config import TableConfig
from components.ingest.folders import list_folders
from components.ingest.listing import Listed, Listing, first_few, is_picture_name
from components.ingest.sources import Source
from components.ingest.split_names import split_in
from components.ingest.table_files import TableFiles, first_rows, refuse_missing, repeated_rows, row_facts
from components.ingest.user_columns import read_user_columns
from darkroom.system.errors import InputError


def class_folders(source: Source, config: TableConfig) -> Listing | None:
    """The files by their class folders, if there are at least two classes, and not only folders of splits."""
    try:
        listing = list_folders(source, config.split_folders)
    except InputError:
        return None
    names = set[str]()
    for file in listing.files:
        if file.labels[0] not in names and (is_picture_name(file.path) or "." not in file.path.rpartition("/")[2]):
            names.add(file.labels[0])
    are_splits = config.split_folders != "classes" and all(map(split_in, names))
    return listing if len(names) > 1 and not are_splits else None


def join_folders(source: Source, files: TableFiles, folders: Listing, config: TableConfig, error: NoLabelsError) -> Listing:
    """Takes labels from class folders, and groups, splits and the user's own columns from a table.

    Args:
        source: The files.
        files: The table, and the files that it names.
        folders: The files in class folders.
        config: How tables are read.
        error: Says what the table's columns mean, and which of them could hold labels.

    Raises:
        InputError: A column could hold the labels, or the folders are the table's groups; or as `list_table`.
    """
    if config.label_column != NONE:
        _refuse_unclear(files, folders, error, config)
    refuse_missing(source, files, config)
    by_path = {file.path: file for file in folders.files}
    rows = [
        Listed(path, by_path[path].labels, group, split or by_path[path].given_split) if path in by_path else None
        for path, (group, split) in zip(files.paths, row_facts(files, error.roles, config), strict=True)
    ]
    numbers, repeated = first_rows(rows, files.table.name)
    joined = {file.path: file for number in numbers if (file := rows[number])}
    order = {path: number for number, path in zip(numbers, sorted(joined), strict=True)}
    listed = [joined.get(file.path, file) for file in folders.files]
    user_columns = read_user_columns(files.table, error.roles.used, [order.get(file.path) for file in listed], repeated)
    beside = [file.path for file in listed if file.path not in joined and is_picture_name(file.path)]
    taken = _taken(error.roles, user_columns.values.column_names) or ("splits" if any(files.splits) else "")
    if not taken:
        raise InputError(
            f"{files.table.name} names files in class folders, but says nothing of them that is used: add a column such as split, or set "
            "ingest.table to none to leave the table out"
        )
    notes = [
        f"labels from the class folders, {taken} from {files.table.name}",
        *files.notes,
        *error.roles.notes,
        *([f"{len(beside)} file(s) are not named by {files.table.name}: {first_few(beside)}"] if beside else []),
        *repeated_rows(files.table.name, rows, repeated),
        *folders.notes,
        *user_columns.notes,
    ]
    missing = files.paths.count(None)
    return replace(folders, files=listed, num_missing=missing, notes=tuple(notes), user_columns=user_columns.values)


def refuse_contradiction(listing: Listing, folders: Listing | None, table: str) -> None:
    """Refuses a table of other files than those in class folders, and one that calls a file by another class than its own folder.

    Raises:
        InputError: It is such a table.
    """
    by_path = {file.path: file.labels[0] for file in folders.files if is_picture_name(file.path)} if folders else {}
    if by_path and not any(file.path in by_path for file in listing.files):
        raise InputError(
            f"{table} holds labels of {len(listing.files)} file(s), and class folders hold {len(by_path)} others "
            f"({first_few(list(by_path))}): set ingest.table to {table} or, to take the folders, to none"
        )
    said = {label for file in listing.files for label in file.labels}
    if listing.multilabel or not said & set(by_path.values()):
        return
    for file in listing.files:
        if (folder := by_path.get(file.path)) not in (None, file.labels[0]):
            raise InputError(
                f"{table} says that {file.path} is {file.labels[0]!r}, its class folder says {folder!r}: set ingest.table to {table} or, "
                "to take the folders, to none"
            )


def _refuse_unclear(files: TableFiles, folders: Listing, error: NoLabelsError, config: TableConfig) -> None:
    name = files.table.name
    classes = sorted({file.labels[0] for file in folders.files})
    if error.possible:
        raise InputError(
            f"{name} names files in folders ({first_few(classes)}), and may hold their labels in {first_few(error.possible, 6)}: name the "
            "column in ingest.label_column, or set it to none to take the folders as classes and the rest from the table"
        )
    if not error.roles.group:
        return
    by_path = {file.path: file.labels[0] for file in folders.files}
    facts = zip(files.paths, row_facts(files, error.roles, config), strict=True)
    pairs = {(by_path[path], group) for path, (group, _) in facts if path in by_path and group}
    if len(pairs) == len({folder for folder, _ in pairs}) == len({group for _, group in pairs}) > 1:
        raise InputError(
            f"{name} says in column {error.roles.group!r} that each folder ({first_few(classes)}) is a group of its own, and holds no "
            "labels: name their column in ingest.label_column, or set it to none to take the folders as classes"
        )


def _taken(roles: Columns, others: list[str]) -> str:
    taken = [f"groups ({roles.group!r})"] if roles.group else []
    taken += [f"splits ({', '.join(map(repr, roles.splits))})"] if roles.splits else []
    taken += [f"further columns ({first_few(list(map(repr, others)))})"] if others else []
    return " and ".join(taken)
