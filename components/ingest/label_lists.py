"""Labels that are written as a list in a cell: `["cat", "dog"]`, `['cat' 'dog']`, `{cat,dog}`."""

import json
import re

from components.ingest.cells import is_missing
from darkroom.system.errors import InputError

BRACKETS = {"[": "]", "{": "}", "(": ")"}
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""")
_BARE = re.compile(r"[^,\s]+")


def are_lists(cells: set[str]) -> bool:
    """Whether cells are lists: all that are not empty stand in brackets of one kind."""
    kinds = {cell[0] if len(cell) > 1 and BRACKETS.get(cell[0]) == cell[-1] else "" for cell in cells if not is_missing(cell)}
    return len(kinds) == 1 and "" not in kinds


def some_list(cells: set[str]) -> str:
    """A cell that is written as a list of quoted items or in square brackets; an empty text if there is none."""
    written = (cell for cell in sorted(cells) if len(cell) > 1 and BRACKETS.get(cell[0]) == cell[-1])
    return next((cell for cell in written if cell[0] == "[" or _QUOTED.search(cell)), "")


def list_items(table: str, column: str, cell: str) -> tuple[str, ...]:
    """The items of a list in a cell, without missing ones.

    Args:
        table: The table's name, for the message.
        column: The column's.
        cell: The list; an empty text or a missing value is an empty one.

    Raises:
        InputError: The items can't be told apart, or are no plain labels.
    """
    if is_missing(cell):
        return ()
    inner = cell[1:-1].strip()
    items = _from_json(cell) if cell[0] == "[" else None
    if items is None:
        rest = _QUOTED.sub("", inner)
        if _QUOTED.search(inner) and not re.sub(r"[,;|\s]|\b(None|nan|null)\b", "", rest):
            items = [re.sub(r"\\(.)", r"\1", double or single) for double, single in _QUOTED.findall(inner)]
        elif not re.search(r"""["'\[\]{}():]""", inner) and (re.search(r"[,;|]", inner) or re.fullmatch(r"[-0-9.\s]*|\S+", inner)):
            items = re.split(r"[,;|]", inner) if re.search(r"[,;|]", inner) else _BARE.findall(inner)
        else:
            raise InputError(
                f"{table} has {cell[:200]!r} in column {column!r}, a list whose items are not clear: write labels as in cat|dog, or set "
                "ingest.separator to none to take the whole cell as one label"
            )
    return tuple(dict.fromkeys(item.strip() for item in items if not is_missing(item.strip())))


def refuse_vectors(table: str, column: str, rows: list[tuple[str, ...]], lengths: set[int]) -> None:
    """Refuses lists of 0 and 1, one place a class: nothing says which class a place stands for.

    Args:
        table: The table's name, for the message.
        column: The column's.
        rows: The items of the lists that occur, each once a list.
        lengths: How many items the lists have, repeated ones included.

    Raises:
        InputError: They are such lists.
    """
    if len(lengths) == 1 and lengths != {1} and {item for row in rows for item in row} <= {"0", "1", "0.0", "1.0"}:
        raise InputError(
            f"{table} has lists of 0 and 1 in column {column!r}, which do not say for which class each place stands: write the classes' "
            "names, or one column a class"
        )


def _from_json(cell: str) -> list[str] | None:
    try:
        items = json.loads(cell)
    except ValueError:
        return None
    plain_items = all(isinstance(item, str | int | float) or item is None for item in items)
    return ["" if item is None else str(item) for item in items] if plain_items else None
