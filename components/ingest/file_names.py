"""Which file a table means by a name: a path, a file name or a name without its ending, found anywhere below the root."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from components.ingest.listing import has_image_suffix, some
from darkroom.system.errors import InputError


class Names:
    """Finds files by what a table calls them.

    Names are compared in one Unicode form, since macOS writes letters with accents in another form than tables do; case
    counts only where it tells two files apart.

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
        """Paths that a name may mean: none, one, or several that it does not tell apart.

        Args:
            name: A path, or the end of one, with or without its ending.
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

    def one(self, name: str, table: str) -> str | None:
        """The path that a name means, or none.

        Raises:
            InputError: The name leads out of the data, or means several files.
        """
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":":
            raise InputError(f"{table} names {name!r}, which leads out of the data: write paths relative to the data's root")
        found = self.find(name)
        if len(found) > 1:
            raise InputError(f"{table} names {name!r}, which may be {some(found)}: write the path from the data's root")
        return found[0] if found else None


def _means(name: str, path: str) -> bool:
    return path == name or path.endswith("/" + name)


def _exact(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _end(path: str, parts: int) -> str:
    """The last parts of a path: many folders may hold a file of the same name."""
    return "/".join(path.split("/")[-parts:])


def _bare(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
