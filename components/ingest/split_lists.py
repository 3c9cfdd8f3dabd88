"""Lists of files that say nothing but which split these are of, as Food-101's `meta/train.txt`, and CUB-200's numbered lists."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import PurePosixPath

from components.ingest.config import TableConfig
from components.ingest.folders import list_folders
from components.ingest.joined_tables import NamingTable
from components.ingest.listing import Listing, first_few, is_picture_name
from components.ingest.sources import Source
from components.ingest.table_files import TableFiles
from darkroom.system.errors import InputError

NUMBERED = ("image_class_labels.txt", "train_test_split.txt")  # beside CUB-200's images.txt


def is_list(one: NamingTable) -> bool:
    """Whether a table names files, and says nothing else of them."""
    return one.table.columns == [one.column.name]


def without_lists(naming: Sequence[NamingTable]) -> tuple[list[NamingTable], list[str]]:
    """The tables without lists of a split's files where a table of that split names the same and says more, and sentences about these."""
    cells = {one.table.name: one.table.distinct(one.column.name) for one in naming}
    kept, notes = [], []
    for one in naming:
        fuller = [other for other in naming if other.split == one.split and not is_list(other)] if is_list(one) and one.split else []
        same = next((other.table.name for other in fuller if cells[one.table.name] == cells[other.table.name]), "")
        kept += [] if same else [one]
        notes += [f"{one.table.name} names no other files than {same}, and is not used"] if same else []
    return kept, notes


def folders_of_list(source: Source, files: TableFiles, config: TableConfig) -> Listing | None:
    """The class folders that a list names, where all lie in one other folder: `apple_pie/134` is of `images/apple_pie/134.jpg`.

    Args:
        source: The files.
        files: The list, and the files that it names.
        config: How folders are read.

    Returns:
        All files in class folders, also those that the list does not name; none where it is no such list.
    """
    if files.table.columns != [files.column]:
        return None
    pairs = [(cell, path) for cell, path in zip(files.table.cells(files.column), files.paths, strict=True) if path]
    roots = {path.rsplit("/", 2)[0] if path.count("/") > 1 else "" for _, path in pairs}
    root = f"{next(iter(roots))}/"
    pictures = [path for path in source.sizes if is_picture_name(path)]
    if len(roots) != 1 or root == "/" or not all(_is_below(cell, path, root) for cell, path in pairs):
        return None
    if not all(path.startswith(root) for path in pictures):
        return None
    inner = copy(source)
    inner.sizes = {path.removeprefix(root): size for path, size in source.sizes.items() if path.startswith(root)}
    listing = list_folders(inner, config.split_folders)
    note = f"the folders in {root} are the classes: {files.table.name} names files there from the class on, as {pairs[0][0]}"
    listed = [file._replace(path=root + file.path) for file in listing.files]
    num_ignored = listing.num_ignored + len(source.sizes) - len(inner.sizes)
    found = replace(listing, files=listed, num_ignored=num_ignored, notes=(note, *listing.notes))
    return found if len({file.labels for file in listed}) > 1 else None


def refuse_lists(source: Source, files: TableFiles) -> None:
    """Refuses lists that say no label, and CUB-200's, which say it of numbers.

    Raises:
        InputError: It is such a list.
    """
    folder = PurePosixPath(files.table.name).parent
    numbered = [str(folder / name) for name in NUMBERED if str(folder / name) in source.sizes]
    if numbered:
        raise InputError(
            f"{files.table.name} in {source.name} numbers the images, and {first_few(numbered)} say labels and splits of these numbers, as "
            "CUB-200's lists do, which are not joined: write one table with the columns filename, label and split, or name the folder of "
            f"the class folders as the data ({source.name}/images)"
        )
    if files.table.columns == [files.column]:
        raise InputError(
            f"{files.table.name} in {source.name} lists the files of a split, and neither it nor class folders say their labels: "
            "add a column label, or a table of labels, and name it in ingest.table"
        )


def _is_below(cell: str, path: str, root: str) -> bool:
    """Whether a cell is the path below a folder, with or without its ending: the class, and the name."""
    inner = path.removeprefix(root)
    return cell.count("/") == 1 and cell in (inner, inner.rpartition(".")[0])
