"""Finds the columns that say which split an image belongs to, and reads them."""

import re
from collections.abc import Collection

import numpy as np

from components.ingest.cells import FALSE, TRUE, Integers, is_missing, plain
from components.ingest.column_names import LABELS, MAYBE_SPLITS, SPLITS, known
from components.ingest.listing import first_few
from components.ingest.shards import TABLE as SHARDS
from components.ingest.split_names import SPLIT_NAMES, is_unclear, split_in, split_of, words_of
from components.ingest.tables import Table
from darkroom.system.errors import InputError

MAX_WORDS = 20  # of a column that says the split beside other things
NAMES = ("train", "validation", "test")


def split_columns(table: Table, setting: str, taken: Collection[str]) -> tuple[str, ...]:
    """The columns that say the split: one with its name, or flags such as `is_valid`; empty if there are none.

    Args:
        table: The table.
        setting: The column that the user named; `none` for no such column; empty to find it.
        taken: Columns that hold something else.

    Raises:
        InputError: A column is called split or the like, but holds other words; or two columns say different splits.
    """
    if setting == "none":
        return ()
    if setting:
        return (setting,)
    rest = [column for column in table.columns if column not in taken and not table.is_list(column)]
    certain = [column for column in known(rest, SPLITS) if any(not is_missing(cell) for cell in table.distinct(column))]
    named = certain + [column for column in known(rest, MAYBE_SPLITS) if _names_splits(table.distinct(column))]
    named += [column for column in rest if column not in named and (_holds_only_splits(table, column) or _holds_splits(table, column))]
    flags = tuple(column for column in rest if flagged_split(column) and _may_be_flag(table, column))
    _refuse_unclear_flags(table, rest, flags)
    ways = [(column,) for column in named] + ([flags] if flags else [])
    _refuse_differing(table, ways)
    return ways[0] if ways else ()


def read_splits(table: Table, columns: tuple[str, ...]) -> list[str]:
    """The split of every row, or an empty text where none is given.

    Args:
        table: The table.
        columns: Those that say it, see `split_columns`.

    Raises:
        InputError: A cell is not clearly one of the three splits.
    """
    if not columns:
        return [""] * len(table)
    flagged = all(flagged_split(column) and _is_flag(table.distinct(column)) for column in columns)
    numbers = _from_flags(table, columns) if flagged else _from_words(table, columns[0])
    names = (*NAMES, "")
    return [names[number] for number in numbers.tolist()]


def flagged_split(column: str) -> str:
    """The split that a flag says: `is_valid` validation, `isTest` test, `train` train; an empty text for any other column."""
    return split_of(_flagged(column)) or ""


def _flagged(column: str) -> str:
    match = re.fullmatch(r"(?:is[\W_]*|in[\W_]+)?(.+?)[\W_]*(?:set|split|image|img)?", column.strip(), re.IGNORECASE)
    return match[1] if match else ""


def _names_splits(cells: set[str]) -> bool:
    return any(words_of(cell) & set(SPLIT_NAMES) or is_unclear(cell) for cell in cells)


def _holds_splits(table: Table, column: str) -> bool:
    """Whether a column of few words, called by no known name, has those of two splits among others."""
    words = table.distinct(column)
    return not known([column], LABELS) and len(words) <= MAX_WORDS and len({split_of(word) for word in words} - {None}) > 1


def _refuse_unclear_flags(table: Table, rest: list[str], flags: tuple[str, ...]) -> None:
    """Refuses a sole flag called `valid` or `test`, which may say something else, and one for images that are held out."""
    sole = flags if all(map(split_of, flags)) and len({flagged_split(column) for column in flags}) < 2 else ()
    held_out = [column for column in rest if is_unclear(_flagged(column)) and _is_flag(table.distinct(column))]
    if unclear := [*sole, *held_out]:
        raise InputError(
            f"{table.name} has {unclear[0]!r}, which may say the split or something else: write a column with train, validation and test "
            "and name it in ingest.split_column, or set that to none"
        )


def _holds_only_splits(table: Table, column: str) -> bool:
    """Whether a column that is called by no known name has cells of two splits at least, and no others."""
    if known([column], LABELS):
        return False
    splits = set()
    for cell in table.distinct(column):
        if is_missing(cell):
            continue
        if not (split := split_in(cell)):
            return False
        splits.add(split)
    return len(splits) > 1


def _may_be_flag(table: Table, column: str) -> bool:
    """Whether a column that is called as a flag for a split is one.

    Raises:
        InputError: It is called `is_valid` or the like, but a cell is neither yes nor no.
    """
    cells = table.distinct(column)
    if not _is_flag(cells) and not split_of(column) and any(not is_missing(cell) for cell in cells):
        others = sorted(cell or "(empty cell)" for cell in cells if plain(cell).casefold() not in TRUE | FALSE)
        raise InputError(
            f"{table.name} has {first_few(list(map(repr, others)), 6)} in column {column!r}, which is called as one that says the split: "
            "write 0 and 1, or set ingest.split_column to another column, or to none"
        )
    return _is_flag(cells)


def _is_flag(cells: set[str]) -> bool:
    """Whether all cells say yes or no; where none says no, an empty cell does."""
    words = {"" if is_missing(cell) else plain(cell).casefold() for cell in cells}
    return bool(words & (TRUE | FALSE)) and words <= (TRUE | FALSE if words & FALSE else TRUE | {""})


def _from_words(table: Table, column: str) -> Integers:
    cells, codes = table.encoded(column)
    splits = ["" if is_missing(cell) else split_in(cell) for cell in cells]
    unknown = sorted(cell for cell, split in zip(cells, splits, strict=True) if split is None)
    if unknown:
        remedy = "rename these shards, or leave them out with ingest.ignore" if table.name == SHARDS else "correct the words"
        raise InputError(
            f"{table.name} has {first_few(list(map(repr, unknown)), 6)} in column {column!r}: a split is train, validation or test: "
            f"{remedy}, or set ingest.split_column to another column, or to none"
        )
    numbers: Integers = np.array([(*NAMES, "").index(split or "") for split in splits], dtype=np.int64)
    return numbers[codes]


def _from_flags(table: Table, columns: tuple[str, ...]) -> Integers:
    """The one split that is flagged in each row; train where none is, if there is no flag of its own for it."""
    split = np.full(len(table), -1)
    for column in columns:
        cells, codes = table.encoded(column)
        flags = np.array([plain(cell).casefold() in TRUE for cell in cells])[codes]
        number = NAMES.index(flagged_split(column))
        if (flags & (split != -1) & (split != number)).any():
            raise InputError(f"{table.name} flags a row in {first_few(list(columns))} as two splits: set ingest.split_column to none")
        if number > 0 and 2 * flags.sum() > len(flags):
            raise InputError(
                f"{table.name} has {column!r} set in most rows, which may stand for the split {NAMES[number]} or for something else: "
                "set ingest.split_column to none, or write a column with train, validation and test"
            )
        split[flags] = number
    given = {flagged_split(column) for column in columns}
    if (split == -1).any() and "train" in given:
        if not given - {"train"}:
            raise InputError(
                f"{table.name} has only {columns[0]!r} for the split: images that are not for training may be for validation or for the "
                "test: write a column with train, validation and test, or set ingest.split_column to none"
            )
        left = [name for name in NAMES if name not in given]
        if len(left) != 1:
            raise InputError(f"{table.name} has rows that none of {first_few(list(columns))} flags: set ingest.split_column to none")
        split[split == -1] = NAMES.index(left[0])
    split[split == -1] = 0
    return split.astype(np.int64)


def _refuse_differing(table: Table, ways: list[tuple[str, ...]]) -> None:
    for way in ways[1:]:
        if read_splits(table, way) != read_splits(table, ways[0]):
            raise InputError(
                f"{table.name} has {first_few(list(ways[0]))!r} and {first_few(list(way))!r}, which say different splits: name one in "
                "ingest.split_column, or set it to none"
            )
