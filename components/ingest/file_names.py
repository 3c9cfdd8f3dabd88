"""Finds the files that a table names: by path, file name, or name without suffix, anywhere below the root."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from components.ingest.listing import first_few, has_image_suffix
from darkroom.system.errors import InputError


class FileNames:
    """Finds files by the names that a table gives them.

    Names are compared in one Unicode form, since macOS writes letters with accents in another form than tables do. Case
    counts only if two files differ in nothing else.

    Args:
        paths: All paths of the source.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_end: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            plain = _plain(path)
            for key in {_end(form, parts) for form in (plain, _bare(plain)) for parts in (1, 2)}:
                self._by_end[key].append(path)

    def find(self, name: str) -> list[str]:
        """The paths that a name may mean: none, one, or several if the name is ambiguous.

        Args:
            name: A path, or the end of one, with or without its suffix.
        """
        wanted = name.replace("\\", "/").removeprefix("./")
        candidates = self._by_end.get(_end(_plain(wanted), 2), [])
        for form in (_exact, _plain):
            for bare in (False, True):
                named = form(wanted)
                found = [path for path in candidates if _means(named, _bare(form(path)) if bare else form(path))]
                whole = [path for path in found if (_bare(form(path)) if bare else form(path)) == named]
                pictures = [path for path in found if has_image_suffix(path)]
                for choice in (whole, found, pictures):
                    if len(choice) == 1:
                        return choice
                if found:
                    return found
        return []

    def resolve(self, name: str, table: str) -> str | None:
        """The path that a name means, or none if there is no such file.

        Raises:
            InputError: The name leads out of the data, or is ambiguous.
        """
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":":
            raise InputError(f"{table} names {name!r}, which leads out of the data: write paths relative to the data's root")
        found = self.find(name)
        if len(found) > 1:
            raise InputError(f"{table} names {name!r}, which may be {first_few(found)}: write the path from the data's root")
        return found[0] if found else None


def _means(name: str, path: str) -> bool:
    return path == name or path.endswith("/" + name)


def _exact(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _end(path: str, parts: int) -> str:
    """The last parts of a path; two are indexed, since many folders may hold a file of the same name."""
    return "/".join(path.split("/")[-parts:])


def _bare(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
