"""The files of a data source that are read: one list, for `ingest` and for the version of the data."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from darkroom.junk import is_document, is_system_name
from darkroom.system.errors import InputError
from darkroom.verdicts import FILE as VERDICTS

PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zip")  # of one file
_PLAIN_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".json", ".jsonl", ".ndjson")
CVAT = "annotations.xml"  # what CVAT calls its exports
TABLE_SUFFIXES = tuple(plain + packed for plain in _PLAIN_SUFFIXES for packed in ("", *PACKED_SUFFIXES))  # of tables of labels
_LAST_SUFFIXES = frozenset((*_PLAIN_SUFFIXES, *PACKED_SUFFIXES, CVAT[CVAT.rfind(".") :]))


@dataclass(frozen=True)
class DataFiles:
    """The files of a folder that are read.

    Attributes:
        places: Where each is on this disk, by its path in the folder, sorted by path; empty for a broken link, which is read as a
            file of no bytes.
        sizes: Bytes by path, in the same order.
        num_skipped: Number of files and folders that are no data (see `darkroom.junk`), of pipes and devices, and of tables
            beside the one that the user pointed at.
    """

    places: dict[str, str]
    sizes: dict[str, int]
    num_skipped: int


def list_files(source: Path) -> DataFiles:
    """Lists what is read of a folder, or of the folder around a table of labels; links are followed.

    Args:
        source: A folder, or a table beside its images, which is then the only table that is read, apart from people's verdicts.

    Raises:
        InputError: A folder may not be read.
    """
    table = "" if source.is_dir() else printable(source.name)
    root = os.path.realpath(source.parent if table else source)
    found = _Scan(table)
    try:
        found.add_folder(root, "", (root,))
    except PermissionError as error:
        raise InputError(f"{error.filename} may not be read: give this user the right to read it") from None
    except OSError as error:
        raise InputError(f"{source} can't be read: {error.strerror or error}: {error.filename or source}") from None
    order = sorted(found.places)
    return DataFiles({path: found.places[path] for path in order}, {path: found.sizes[path] for path in order}, found.num_skipped)


def needed_folders(source: Path) -> set[Path]:
    """The folders, or the archive, that must be there for a source to be read: also those that links in it lead to.

    Raises:
        InputError: A folder may not be read.
    """
    place = absolute(source)
    if place.is_file() and not is_table(place):
        return {place, place.resolve()}
    around = place if place.is_dir() else place.parent
    root = around.resolve()
    files = [Path(file) for file in list_files(place).places.values() if file]
    links = {file.resolve().parent for file in files if file.is_symlink()}
    inner = {folder.resolve() for folder in {file.parent for file in files}} | links
    return {around, root, *(folder for folder in inner if not folder.is_relative_to(root))}


def is_table(path: str | Path) -> bool:
    """Whether a file is called as tables of labels are, also packed; a text or JSON may be something else."""
    name = str(path)
    if name[name.rfind(".") :].lower() not in _LAST_SUFFIXES:  # as nearly all are: of many files few are tables
        return False
    return name.lower().endswith(TABLE_SUFFIXES) or name.replace(os.sep, "/").rpartition("/")[2] == CVAT


def absolute(source: Path) -> Path:
    """The absolute path of a source without `..` in it, the same however the user wrote it; a link at its end keeps its name."""
    if source.name in ("", ".."):
        return Path(os.path.realpath(source))
    return Path(os.path.realpath(source.parent)) / source.name


def printable(name: str) -> str:
    """A file's name as text that can be stored: bytes that are not UTF-8 are written as escapes."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass
class _Scan:
    table: str
    places: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    num_skipped: int = 0

    def add_folder(self, folder: str, prefix: str, above: tuple[str, ...]) -> None:
        """Adds the files in a folder and below it.

        Args:
            folder: Where it is.
            prefix: Its path in the data, with `/` at its end; empty for the data itself.
            above: The real places of the folders that lead to it, and its own.
        """
        with os.scandir(folder) as entries:
            for entry in entries:
                path = prefix + printable(entry.name)
                if is_system_name(path[len(prefix) :]):
                    self.num_skipped += 1  # before anything is asked about it: it may not be allowed
                elif entry.is_dir():
                    real = os.path.realpath(entry.path) if entry.is_symlink() else f"{above[-1]}/{entry.name}"
                    if real not in above:  # a link to a folder above it would be followed endlessly
                        self.add_folder(entry.path, path + "/", (*above, real))
                else:
                    self._add_file(entry, path)

    def _add_file(self, entry: os.DirEntry[str], path: str) -> None:
        if is_document(entry.name) or (self.table and is_table(path) and path not in (self.table, VERDICTS)):
            self.num_skipped += 1
            return
        try:
            status = entry.stat()
        except PermissionError:
            raise
        except OSError:
            self.places[path], self.sizes[path] = "", 0  # a broken link
            return
        if stat.S_ISREG(status.st_mode):
            self.places[path], self.sizes[path] = entry.path, status.st_size
        else:
            self.num_skipped += 1  # a pipe or a device: opening it could block
