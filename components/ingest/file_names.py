"""Finds the files that a table names: by path, file name, or name without suffix, anywhere below the root."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from posixpath import commonprefix, normpath
from urllib.parse import unquote

from components.ingest.cells import plain
from components.ingest.listing import first_few, is_picture_name
from components.ingest.split_names import split_in
from darkroom.system.errors import InputError


class FileNames:
    """Finds files by the names that a table gives them.

    Names are compared in one Unicode form, since macOS writes letters with accents in another form than tables do. Case
    counts only if two files differ in nothing else. A name is looked for below the table's own folder first, and may begin
    with the root's own name or with its absolute address.

    Args:
        paths: All paths of the source.
        root: The folder that they lie in, or the archive.
    """

    def __init__(self, paths: Iterable[str], root: Path) -> None:
        self._given = paths
        self._roots = {root.absolute().as_posix(), root.resolve().as_posix()}
        names = {PurePosixPath(path).name for path in self._roots}
        self._own_names = names if root.is_dir() else names | {name.partition(".")[0] for name in names}
        self._elsewhere: set[str] = set()

    @cached_property
    def _paths(self) -> dict[str, str]:
        return {_exact(path): path for path in self._given}

    def learn_folder(self, cells: Iterable[str], table: str) -> str:
        """Learns the folder of another machine, or the bucket, that all paths of a column begin with; what follows it is looked for here.

        Args:
            cells: The column's cells, each once.
            table: The table that holds them.

        Returns:
            The folder; an empty text if there is none, or if paths begin with the data's own.
        """
        paths = [_slashed(cell) for cell in cells if cell]
        if not paths or not all(map(_is_elsewhere, paths)) or any(self._below_root(path, table) for path in paths):
            return ""
        folder = commonprefix([normpath(path) for path in paths]).rpartition("/")[0]
        if folder.strip("./"):
            self._elsewhere.add(folder)
        return folder

    def locate(self, name: str, table: str = "", split: str = "") -> list[str]:
        """The paths that a name may mean: none, one, or several if the name is ambiguous.

        Args:
            name: A path, or the end of one, with or without its suffix.
            table: The path of the table that names it.
            split: The split that the table or the row is of; of several files, one in a folder of that split is meant.
        """
        folder = table.rpartition("/")[0]
        if not folder and name in self._paths:
            return [self._paths[name]]
        if self._is_none(name):
            return []
        wanted = self._below_root(name, table)
        if not wanted or wanted.startswith("/"):
            return self._at(wanted[1:]) if wanted else []
        for path in (f"{folder}/{_exact(wanted)}" if folder else "", _exact(wanted)):
            if path in self._paths:
                return [self._paths[path]]
        found = self._find(wanted) or self._beyond_own_name(wanted.split("/")) or self._find_number(wanted)
        for belongs in (lambda path: folder and path.startswith(folder + "/"), lambda path: split and split in _splits_above(path)):
            if len(found) > 1 and (nearer := [path for path in found if belongs(path)]):
                found = nearer
        return found

    def resolve(self, name: str, table: str, split: str = "") -> str | None:
        """The path that a name means, or none if there is no such file.

        Args:
            name: What the table calls the file.
            table: The table's path.
            split: See `locate`.

        Raises:
            InputError: The name leads out of the data, or is ambiguous.
        """
        found = self.locate(name, table, split)
        if not found and self._below_root(name, table) is None:
            raise InputError(f"{table} names {name!r}, which leads out of the data: write paths relative to the data's root")
        if len(found) > 1:
            raise InputError(
                f"{table} names {name!r}, which may be {first_few(found)}: write the path from the data's root, or, if it names no "
                "files, set ingest.table to none"
            )
        return found[0] if found else None

    @cached_property
    def _by_end(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The paths by their last part, and by their last two, without suffix: many folders may hold a file of the same name."""
        by_name: dict[str, list[str]] = defaultdict(list)
        by_two: dict[str, list[str]] = defaultdict(list)
        for path in self._paths.values():
            end = _bare(_end(_plain(path), 2))
            by_two[end].append(path)
            by_name[end.rpartition("/")[2]].append(path)
        return by_name, by_two

    def _is_none(self, name: str) -> bool:
        """Whether a name without folders is that of no file, as most cells of most columns are."""
        if "/" in name or "\\" in name:
            return False
        by_name = self._by_end[0]
        if name.isdecimal():
            return name not in by_name and not self._numbered(name)
        whole = _plain(name)
        return whole not in by_name and _bare(whole) not in by_name and plain(name) == name

    def _below_root(self, name: str, table: str) -> str | None:
        """The name as a path, or the end of one; with a `/` in front if it begins at the root; none if it leads out of the data."""
        path = _slashed(name)
        if not _is_elsewhere(path) and ".." not in path.split("/"):
            return path
        inside = self._without_root(path) if is_absolute(path) else None
        for own_name in self._own_names if ".." in path.split("/") else ():  # as ../photos/1.png, written in a folder beside photos
            whole = normpath(f"{own_name}/{table.rpartition('/')[0]}/{path}")
            if whole.startswith(f"{own_name}/"):
                return whole.removeprefix(own_name)
        return inside or self._beyond_elsewhere(normpath(path))

    def _beyond_elsewhere(self, path: str) -> str | None:
        """What follows a folder that was learnt, or more of the path, if that is a file's."""
        for folder in self._elsewhere:
            if path.startswith(folder + "/"):
                parts, num_above = path.split("/"), folder.count("/") + 1
                places = ["/".join(parts[start:]) for start in range(1, num_above)]
                return next((f"/{place}" for place in places if place in self._paths), "/".join(parts[num_above:]))
        return None

    def _without_root(self, path: str) -> str | None:
        """The part of an absolute path below the root's address, or, from another machine, below a folder of its name."""
        inner = normpath(path)
        for root in self._roots:
            if inner.startswith(root + "/"):
                return inner.removeprefix(root)
        parts = path.split("/")
        starts = [number for number, part in enumerate(parts) if part in self._own_names]
        return next((f"/{found[0]}" for start in starts if (found := self._beyond_own_name(parts[start:]))), None)

    def _beyond_own_name(self, parts: list[str]) -> list[str]:
        """The one file at the path that follows the root's own name."""
        return self._at("/".join(parts[1:])) if parts[0] in self._own_names and len(parts) > 1 else []

    def _at(self, path: str) -> list[str]:
        """The one file at a path from the root, case and suffix aside."""
        found = self._find(path)
        return found if len(found) == 1 and found[0].count("/") == path.count("/") else []

    def _find_number(self, wanted: str) -> list[str]:
        """The files that a number written in another way means: `7.0` for `7.jpg`, `7` for `0007.jpg`."""
        return (self._find(number) if (number := plain(wanted)) != wanted else []) or self._numbered(number)

    def _numbered(self, name: str) -> list[str]:
        return self._by_number.get(name.lstrip("0"), []) if name.isdecimal() else []

    @cached_property
    def _by_number(self) -> dict[str, list[str]]:
        """The images that are called by numbers, without leading zeros."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in self._paths.values():
            stem = _bare(_end(path, 1))
            if stem.isdecimal() and is_picture_name(path):
                found[stem.lstrip("0")].append(path)
        return found

    def _find(self, wanted: str) -> list[str]:
        by_end = self._by_end[wanted.count("/") > 0]
        ends = dict.fromkeys((end := _end(_plain(wanted), 2), _bare(end)))
        candidates = [path for key in ends for path in by_end.get(key, ())]
        if len(candidates) < 2:
            return [path for path in candidates if _means(_plain(wanted), _plain(path)) or _means(_plain(wanted), _bare(_plain(path)))]
        for form in (_exact, _plain):
            for bare in (False, True):
                named = form(wanted)
                found = [path for path in candidates if _means(named, _bare(form(path)) if bare else form(path))]
                whole = [path for path in found if (_bare(form(path)) if bare else form(path)) == named]
                pictures = [path for path in found if is_picture_name(path)]
                for choice in (whole, found, pictures):
                    if len(choice) == 1:
                        return choice
                if found:
                    return found
        return []


def is_absolute(path: str) -> bool:
    """Whether a path begins at a root, at a drive of Windows, or is an address."""
    return path[:1] in ("/", "\\") or (path[1:2] == ":" and path[:1].isalpha()) or path.startswith("~/") or "://" in path


def _slashed(name: str) -> str:
    path = name.replace("\\", "/")
    if path.startswith(("http://", "https://")):
        return unquote(re.split("[?#]", path)[0])  # what its server is asked for beside the file is no part of its name
    return unquote(path.removeprefix("file://")) if path.startswith("file://") else path.removeprefix("./")


def _is_elsewhere(path: str) -> bool:
    """Whether a path does not begin at the data's root: it is absolute, or leads upward."""
    return is_absolute(path) or path.startswith("../")


def _splits_above(path: str) -> set[str | None]:
    return {split_in(folder) for folder in path.split("/")[:-1]}


def _means(name: str, path: str) -> bool:
    return path == name or path.endswith("/" + name)


def _exact(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _end(path: str, parts: int) -> str:
    """The last parts of a path."""
    return "/".join(path.rsplit("/", parts)[-parts:])


def _bare(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
