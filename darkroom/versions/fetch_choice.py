"""Which files of an address are fetched: all of them, or those that the caller does not know yet."""

from collections.abc import Callable, Collection, Mapping

Choose = Callable[[Mapping[str, str]], Collection[str]]
"""Takes what tells each file's content (the store's own hash, or when it was changed), by its path below the address; an address of one
file, or of what can't be fetched file by file, has one path, an empty text. Gives the paths of those to fetch."""


def everything(files: Mapping[str, str]) -> Collection[str]:
    """All files."""
    return files
