"""Columns of 0 and 1, one a label: which columns are such, what else their cells may say, and which of them are flags."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.ingest.cells import FALSE, TRUE, WHOLE, Integers, is_missing, mean_yes_and_no, plain
from components.ingest.column_names import is_flag, is_metadata
from components.ingest.config import TableConfig
from components.ingest.listing import first_few
from components.ingest.tables import Table
from darkroom.system.errors import InputError

UNCERTAIN = {"-1", "?", "u", "unsure", "uncertain", "unknown", "maybe"}
MAX_WORDS = 100  # ways to write 0, 1 and what is neither
LEFT_OUT = -1  # of a flag: the row is left out
_NUMBER = re.compile(r"-?[0-9]*[.]?[0-9]+")


@dataclass(frozen=True)
class LabelColumns:
    """The columns of 0 and 1 that are labels.

    Attributes:
        names: Them, in the table's order.
        notes: Sentences that say which columns of 0 and 1 are no labels, and why.
    """

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def indicator_words(table: Table, column: str) -> set[str] | None:
    """The distinct words of a column of 0 and 1 (in lower case, an empty text for a missing value); none for another column.

    Beside 0 and 1 (or yes and no, true and false), such a column may have cells that are empty, uncertain (`-1`, `?`), hold
    numbers between (0.5), or one more number.

    Args:
        table: The table.
        column: Its name.
    """
    if table.is_list(column) or len(table.distinct(column)) > MAX_WORDS:
        return None
    words = {"" if is_missing(cell) else plain(cell).casefold() for cell in table.distinct(column)}
    said = words & (TRUE | FALSE)
    others = words - said - {""}
    if not mean_yes_and_no(said) or said == {"t"}:
        return None
    are_numbers = all(_NUMBER.fullmatch(word) for word in others) and words & TRUE and words & FALSE
    are_near = are_numbers and (len(others) == 1 or all(abs(float(word)) <= 1 for word in others))
    return words if (said or "-1" in words) and (others <= UNCERTAIN or are_near) else None


def label_columns(table: Table, columns: list[str], task: str) -> LabelColumns:
    """The columns of 0 and 1 that are labels; flags beside them are none.

    Args:
        table: The table.
        columns: All columns of 0 and 1 that mean nothing else.
        task: The user's task, or `auto`.

    Raises:
        InputError: A column may be a label or a flag.
    """
    metadata = [column for column in columns if is_metadata(column)]
    flags = [column for column in columns if is_flag(column) and column not in metadata]
    labels = [column for column in columns if column not in (*metadata, *flags)]
    if not labels and all(re.match("(?i)(is|has)", column) for column in flags):
        labels, flags = flags, []
    if len(labels) < 2:
        return LabelColumns(())
    if not flags:
        flags = _odd_one_out(table, labels) if task != "multilabel" else []
        labels = [column for column in labels if column not in flags]
        sure = task in ("binary", "multiclass")
    else:
        sure = task != "multilabel" and are_one_hot(table, labels)
    if flags and not sure:
        raise InputError(
            f"{table.name} has {first_few(list(map(repr, flags)))} beside the columns {first_few(list(map(repr, labels)), 6)}: it may be "
            "one more label, or say something else about the images: name all columns of labels in ingest.label_columns"
        )
    notes = [f"{first_few(list(map(repr, flags)))} of {table.name} is no label: each image has exactly one of the others"] if flags else []
    if metadata:
        notes.append(f"{first_few(list(map(repr, metadata)))} of {table.name}: no label by its name, though 0 and 1 (ingest.label_columns)")
    return LabelColumns(tuple(labels), tuple(notes))


def refuse_odd_cells(table: Table, columns: list[str]) -> None:
    """Refuses a column of 0 and 1 in which a few cells are words that mean neither: it would be no label without a word.

    Args:
        table: The table.
        columns: Those that mean nothing else, at least one of them a column of 0 and 1.

    Raises:
        InputError: Most cells of a column are 0 and 1, but some are words.
    """
    for column in columns:
        cells, codes = table.encoded(column)
        kinds = ["empty" if is_missing(cell) else "sure" if plain(cell).casefold() in WHOLE else "uncertain" for cell in cells]
        counts = Counter(kinds[code] for code in codes.tolist())
        odd = sorted(cell for cell, kind in zip(cells, kinds, strict=True) if kind == "uncertain" and not _NUMBER.fullmatch(cell))
        if odd and counts["sure"] > counts["uncertain"] and not is_flag(column) and not is_metadata(column):
            raise InputError(
                f"{table.name} has {first_few(list(map(repr, odd)))} in column {column!r}, else 0 and 1: correct the cells, or name the "
                "columns of labels in ingest.label_columns, if this is none"
            )


def read_flags(table: Table, columns: tuple[str, ...], config: TableConfig) -> tuple["np.ndarray[Any, np.dtype[np.int8]]", list[str]]:
    """Reads columns of 0 and 1.

    Args:
        table: The table.
        columns: Their names.
        config: What uncertain and empty cells mean.

    Returns:
        0, 1 or `LEFT_OUT` for each row and column, `(N, K) int8`; and sentences about uncertain and empty cells.

    Raises:
        InputError: A cell is neither 0 nor 1, and the settings do not say what it means.
    """
    words = {column: indicator_words(table, column) or set() for column in columns}
    has_zeros = any(found & FALSE for found in words.values())
    negatives = FALSE if has_zeros else FALSE | {"-1"}  # in a table of 1 and -1, the latter says no
    flags = np.zeros((len(table), len(columns)), dtype=np.int8)
    counts = {"empty": 0, "uncertain": 0}
    for number, column in enumerate(columns):
        cells, codes = table.encoded(column)
        values = [_flag(table, column, cell, negatives, words[column], config) for cell in cells]
        flags[:, number] = np.array(values, dtype=np.int8)[codes]
        for kind in counts:
            is_kind = np.array([_kind(cell, negatives) == kind for cell in cells])
            counts[kind] += int(is_kind[codes].sum())
    return flags, _notes(table, counts, config, has_zeros)


def class_name(column: str) -> str:
    """The class that a column of 0 and 1 stands for."""
    return unicodedata.normalize("NFC", column)


def _kind(cell: str, negatives: frozenset[str]) -> str:
    word = plain(cell).casefold()
    return "empty" if is_missing(cell) else "sure" if word in TRUE | negatives else "uncertain"


def _flag(table: Table, column: str, cell: str, negatives: frozenset[str], words: set[str], config: TableConfig) -> int:
    kind = _kind(cell, negatives)
    if kind == "sure":
        return int(plain(cell).casefold() in TRUE)
    unmarked = "negative" if config.unmarked == "auto" and not words & negatives else config.unmarked
    meaning: str = unmarked if kind == "empty" else config.uncertain
    if meaning in ("auto", "fail"):
        setting = "unmarked to negative or drop" if kind == "empty" else "uncertain to negative, positive or drop"
        raise InputError(
            f"{table.name} has {cell or 'empty cells'} in column {column!r} beside 0 and 1: set ingest.{setting}; or name the columns of "
            "labels in ingest.label_columns, if this is none"
        )
    return {"negative": 0, "positive": 1, "drop": LEFT_OUT}[meaning]


def _notes(table: Table, counts: dict[str, int], config: TableConfig, has_zeros: bool) -> list[str]:
    notes = [] if has_zeros else [f"{table.name} has no 0 in its columns of labels: what is not 1 there is none"]
    if counts["empty"] and has_zeros:
        notes.append(f"{counts['empty']:,} empty cell(s) in the columns of labels of {table.name} are read as ingest.unmarked says")
    if counts["uncertain"]:
        notes.append(f"{counts['uncertain']:,} uncertain cell(s) in the columns of labels of {table.name} are read as {config.uncertain}")
    return notes


def _marks(table: Table, column: str) -> Integers:
    """1 where a cell says yes, else 0."""
    cells, codes = table.encoded(column)
    marks: Integers = np.array([plain(cell).casefold() in TRUE for cell in cells]).astype(np.int64)
    return marks[codes]


def are_one_hot(table: Table, columns: list[str]) -> bool:
    """Whether each row has exactly one 1 in some columns of 0 and 1."""
    return bool((np.sum([_marks(table, column) for column in columns], axis=0) == 1).all())


def _odd_one_out(table: Table, columns: list[str]) -> list[str]:
    """The one column without which each row has exactly one 1, if there is such a column."""
    if len(columns) < 3 or not all((indicator_words(table, column) or set()) <= TRUE | FALSE for column in columns):
        return []
    marks = {column: _marks(table, column) for column in columns}
    total = np.sum(list(marks.values()), axis=0)
    odd = [column for column in columns if (total - marks[column] == 1).all()]
    return odd if len(odd) == 1 and (total != 1).any() else []
