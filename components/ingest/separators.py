"""What joins several labels in one cell, if the cells say so clearly."""

import re
from collections import Counter

from components.ingest.column_names import SEVERAL, plain_name
from components.ingest.listing import first_few
from darkroom.system.errors import InputError

CERTAIN = ("\n", "\t")  # in no label's name
POSSIBLE = (";", ",", "/", "+", "&", " ")
UNLIKELY = (" and ", "_", "-", ":")  # which are in many names, too
WORDS = {"blank": " ", "none": ""}  # a setting's words for what is hard to write


def find_separator(table: str, column: str, cells: set[str], setting: str) -> tuple[str, str]:
    """Finds what joins the labels of a column.

    Parts that also stand alone in other cells are labels of their own; parts that never come again belong to one name, unless
    there is a comma between them.
    A column whose name says that it holds several labels needs less evidence for the former.

    Args:
        table: The table's name, for messages.
        column: The column's.
        cells: The cells that occur, without missing ones.
        setting: What the user says joins labels, if a cell has it; `blank`, or `none` for nothing.

    Returns:
        The separator, empty if each cell is one label, and a sentence about it, empty if there was nothing to decide.

    Raises:
        InputError: A cell may be one label or several.
    """
    told = WORDS.get(setting, f" {setting} " if setting.isalpha() else setting)  # `and` is no part of `sand`
    if all(re.fullmatch(r"-?[0-9]+,0+", cell) for cell in cells):
        return "", ""  # numbers with a decimal comma
    for mark in (told, *CERTAIN) if told else ():
        if example := min((cell for cell in cells if mark in cell), default=""):
            return mark, f"labels in column {column!r} of {table} are joined by {mark!r}, as in {example[:200]!r}"
    for mark in UNLIKELY if told else ():
        _refuse_parts_alone(table, column, mark, cells)
    for mark in POSSIBLE if told else ():
        joined = {cell: _parts(cell, mark) for cell in cells if mark in cell}
        joined = {cell: parts for cell, parts in joined.items() if len(parts) > 1}
        if joined:
            return _decide(table, column, mark, joined, cells - set(joined))
    return "", ""


def without_empty_parts(cell: str) -> str:
    """A cell without separators at its ends: `cat;` is `cat`."""
    return cell.strip("|;, ")


def split_cell(cell: str, separator: str) -> tuple[str, ...]:
    """The labels of a cell, each once."""
    return tuple(dict.fromkeys(_parts(cell, separator)))


def _parts(cell: str, mark: str) -> list[str]:
    parts = [part.strip() for part in cell.split(mark)] if mark else [cell]
    return [part for part in parts if part]


def _refuse_parts_alone(table: str, column: str, mark: str, cells: set[str]) -> None:
    """Refuses cells of which each part between the marks is a label of other cells, as in `cat`, `dog` and `cat-dog`."""
    joined = {cell: parts for cell in cells if len(parts := _parts(cell, mark)) > 1}
    if joined and {part for parts in joined.values() for part in parts} <= cells - set(joined):
        raise _unclear(table, column, mark, joined)


def _unclear(table: str, column: str, mark: str, joined: dict[str, list[str]]) -> InputError:
    example = min(joined)
    return InputError(
        f"{table} has {first_few([repr(example)])} in column {column!r}, which may be one label or {len(joined[example])} "
        f"({' and '.join(map(repr, joined[example]))}): set ingest.separator to none, or to {'blank' if mark == ' ' else repr(mark)}"
    )


def _decide(table: str, column: str, mark: str, joined: dict[str, list[str]], alone: set[str]) -> tuple[str, str]:
    counts = Counter(part for parts in joined.values() for part in set(parts))
    some_alone = any(part in alone for part in counts)
    all_again = all(part in alone or num > 1 for part, num in counts.items())
    some_again = any(part in alone or num > 1 for part, num in counts.items())
    several = plain_name(column) in SEVERAL
    numbers = mark == " " and all(part.isdigit() for part in counts)  # no name is a row of numbers
    example = min(joined)
    clear = several or mark != " "  # a blank is in many names: `cat` and `wild cat`
    listed = mark == ";" and (all_again or (several and some_again))  # which is in few names
    if numbers or listed or (clear and some_alone and (all_again or several)):
        return mark, f"labels in column {column!r} of {table} are joined by {mark!r}, as in {example[:200]!r}"
    is_name = not some_again or (not several and not some_alone and not all_again)
    if is_name and mark not in (",", ";"):  # which are in few names, and join in many tables
        return "", f"each cell of column {column!r} of {table} is one label, as {example[:200]!r} (ingest.separator would part it)"
    raise _unclear(table, column, mark, joined)
