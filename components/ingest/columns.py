"""Finds what each column of a table means, by its name and its cells, unless the settings say it."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from components.ingest.cells import FALSE, TRUE, is_missing, mean_yes_and_no, plain
from components.ingest.column_names import (
    GROUPS,
    LABELS,
    METADATA,
    ROW_NUMBERS,
    SPLITS,
    is_flag,
    is_metadata,
    known,
    may_be_group,
    plain_name,
)
from components.ingest.config import TableConfig
from components.ingest.given_splits import split_columns
from components.ingest.indicators import UNCERTAIN, are_one_hot, indicator_words, label_columns, refuse_odd_cells
from components.ingest.listing import first_few
from components.ingest.tables import Table
from darkroom.system.errors import InputError

NONE = "none"  # a setting's word for: no such column


MAX_FLAGS = 2  # columns of 0 and 1 that may say something else than the labels


class NoLabelsError(InputError):
    """A table names files, but no column is known to hold their labels.

    Attributes:
        roles: What the columns mean that are known.
        possible: Those of which one may hold labels under a name that is not known.
        only: The only column beside those that are known; an empty text if there are several, or none.
    """

    def __init__(self, message: str, roles: "Columns", possible: list[str], only: str) -> None:
        super().__init__(message)
        self.roles, self.possible, self.only = roles, possible, only


@dataclass(frozen=True)
class Columns:
    """A table's columns by their meaning; an empty name if there is no such column.

    Attributes:
        path: File names or paths.
        label: One label a cell, or several joined.
        indicators: 0 and 1, one label a column.
        group: What must stay in one split.
        splits: The column that says train, validation or test, or the flags that do.
        twins: Other columns that hold the labels in other words, such as numbers beside names.
        notes: Sentences that say what was decided.
    """

    path: str
    label: str = ""
    indicators: tuple[str, ...] = ()
    group: str = ""
    splits: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> set[str]:
        """All columns that mean something, except those of 0 and 1."""
        return {self.path, self.label, self.group, *self.splits, *self.twins} - {""}


def find_columns(table: Table, config: TableConfig, path: str, task: str) -> Columns:
    """Finds what each column means.

    Args:
        table: A table of labels.
        config: The user's settings; the columns that they name must exist.
        path: The column of file names.
        task: The task that the user set, or `auto`.

    Raises:
        NoLabelsError: No column is known to hold labels, or the settings say so.
        InputError: A column does not exist, has values that it may not have, or several columns could hold the same.
    """
    for setting in ("label_column", "group_column", "split_column"):
        if (column := getattr(config, setting)) != NONE:
            _need(table, setting, column)
    for column in config.label_columns:
        _need(table, "label_columns", column)
    named = {path, config.label_column, *config.label_columns, config.group_column}
    splits = split_columns(table, config.split_column, named)
    group, group_notes = _group(table, config, {path, config.label_column, *config.label_columns, *splits})
    roles = Columns(path, group=group, splits=splits, notes=group_notes)
    rest = [column for column in table.columns if column not in roles.used and _may_hold_labels(table, column)]
    return _with_labels(table, config, roles, rest, task)


def holds_labels(table: Table) -> bool:
    """Whether a column is called as one of labels, and its cells come again, which they do not in a list of classes."""
    encoded = map(table.encoded, known(table.columns, LABELS))
    return any(len(names) < len(codes) for names, codes in encoded)


def with_only_column(table: Table, error: NoLabelsError) -> Columns:
    """Takes the only column that is left for that of the labels, whatever it is called.

    Raises:
        InputError: It holds 0, 1 and words for an uncertain answer, which may be a third class or none; or no cell comes again.
    """
    names, codes = table.encoded(error.only)
    if len(names) == len(codes) > 2:
        raise InputError(
            f"{table.name} has another value in each row of {error.only!r}, its only other column: that is no column of labels"
        )
    _refuse_unsure(table, error.only)
    note = f"{error.only!r}, the only other column of {table.name}, is taken for the labels"
    return replace(error.roles, label=error.only, notes=(*error.roles.notes, note))


def _refuse_unsure(table: Table, column: str) -> None:
    words = indicator_words(table, column) or set()
    unsure = sorted(words & UNCERTAIN)
    if unsure and words & TRUE and words & FALSE:
        raise InputError(
            f"{table.name} has {first_few(unsure)} beside 0 and 1 in column {column!r}, which may be a class or no answer: name the "
            "column in ingest.label_column to take it for a class, or take those rows out"
        )


def _with_labels(table: Table, config: TableConfig, roles: Columns, rest: list[str], task: str) -> Columns:
    """Adds the column of labels, the columns of 0 and 1, and the twins of the first."""
    if config.label_columns:
        _refuse_other_words(table, config.label_columns)
        label = "" if config.label_column == NONE else config.label_column
        return replace(roles, label=label, indicators=config.label_columns)
    indicators = [column for column in rest if indicator_words(table, column) is not None]
    if config.label_column == NONE:
        raise _no_labels(table, roles, [])
    label, *twins = [config.label_column] if config.label_column else _label_column(table, rest) or [""]
    if label:
        if not config.label_column:
            _refuse_unsure(table, label)
        beside = tuple(column for column in indicators if column != label)
        return replace(roles, label=label, indicators=beside, twins=tuple(twins))
    if any(not is_flag(column) and not is_metadata(column) for column in indicators):
        refuse_odd_cells(table, [column for column in rest if column not in indicators and not table.is_list(column)])
    chosen = label_columns(table, indicators, task)
    if chosen.names:
        if task != "multilabel":
            _refuse_classes_beside(table, chosen.names, _no_labels(table, roles, rest))
        return replace(roles, indicators=chosen.names, notes=(*roles.notes, *chosen.notes))
    raise _no_labels(table, roles, rest)


def _refuse_classes_beside(table: Table, indicators: tuple[str, ...], others: NoLabelsError) -> None:
    """Refuses few columns of 0 and 1 beside one that may hold classes: either may be the labels.

    Raises:
        InputError: There are both, and no setting names the labels.
    """
    not_always = [column for column in indicators if not {plain(cell).casefold() for cell in table.distinct(column)} <= TRUE]
    classes = [column for column in others.possible if indicator_words(table, column) is None and _are_words(table, column)]
    if classes and len(not_always) <= MAX_FLAGS and not are_one_hot(table, list(indicators)):
        flags = first_few(list(map(repr, indicators)))
        raise InputError(
            f"{table.name} may have its labels in column {classes[0]!r}, or in the columns of 0 and 1 ({flags}): name the former in "
            "ingest.label_column, or the latter in ingest.label_columns"
        )


def _are_words(table: Table, column: str) -> bool:
    """Whether a column has a word in nearly each row, and the same ones again and again: no numbers, no remarks."""
    names, codes = table.encoded(column)
    words = [number for number, name in enumerate(names) if not is_missing(name) and not re.fullmatch(r"[-+0-9.,]+", name)]
    num_filled = int(np.isin(codes, words).sum())
    return num_filled >= 0.9 * len(codes) and 2 * len(words) <= num_filled


def _no_labels(table: Table, roles: Columns, rest: list[str]) -> NoLabelsError:
    rest = [column for column in rest if plain_name(column) not in ROW_NUMBERS]
    others = [column for column in table.columns if column not in roles.used and plain_name(column) not in ROW_NUMBERS]
    return NoLabelsError(
        f"{table.name} has no column that is known to hold labels (columns: {', '.join(table.columns)}): "
        "name it in ingest.label_column, or the columns of 0 and 1 in ingest.label_columns, or set ingest.table to none",
        roles,
        [column for column in rest if plain_name(column) not in {*METADATA, *SPLITS} and _has_classes(table, column)],
        rest[0] if len(rest) == len(others) == 1 else "",
    )


def _refuse_other_words(table: Table, columns: tuple[str, ...]) -> None:
    words = {column: {cell.casefold() for cell in table.distinct(column) if not is_missing(cell)} for column in columns}
    are_plain = mean_yes_and_no({word for said in words.values() for word in said if word in TRUE | FALSE})
    wrong = [column for column in columns if indicator_words(table, column) is None and not (are_plain and words[column] <= TRUE | FALSE)]
    if wrong:
        values = sorted(cell for cell in table.distinct(wrong[0]) if not is_missing(cell))
        raise InputError(
            f"{table.name} has {first_few(values)} in column {wrong[0]!r}, which ingest.label_columns names: write 0 and 1 there (or yes "
            "and no, true and false, or x and nothing)"
        )


def _may_hold_labels(table: Table, column: str) -> bool:
    """Whether a column's cells are texts, numbers or lists of them, not structs, nor bytes under a name of its own."""
    kind = table.values[column].type
    value = kind.value_type if pa.types.is_dictionary(kind) or table.is_list(column) else kind
    is_bytes = pa.types.is_binary(value) or pa.types.is_large_binary(value)  # as some programs write texts
    return not pa.types.is_nested(value) and (not is_bytes or plain_name(column) in LABELS)


def _has_classes(table: Table, column: str) -> bool:
    """Whether a column's cells could be classes: there are several, some come again, and they are no measured numbers."""
    names, codes = table.encoded(column)
    filled = [name for name in names if not is_missing(name)]
    measured = all(re.fullmatch(r"-?[0-9]*[.][0-9]+(e-?[0-9]+)?|-?[0-9]+", name) for name in filled) and any("." in name for name in filled)
    return 1 < len(filled) < len(codes) and not measured


def _label_column(table: Table, rest: list[str]) -> list[str]:
    """The columns called label or the like, which all say the same (number and name); the first in words goes first."""
    called = known(rest, LABELS)
    if len(called) > 1:
        if not all(_one_to_one(table, called[0], column) for column in called[1:]):
            raise InputError(f"{table.name} has several columns that may hold the labels ({', '.join(called)}): set ingest.label_column")
        called.sort(key=lambda column: all(re.fullmatch(r"[0-9.]*", cell) for cell in table.distinct(column)))
    return called


def _one_to_one(table: Table, column: str, other: str) -> bool:
    return _determines(table, column, other) and _determines(table, other, column)


def _determines(table: Table, column: str, other: str) -> bool:
    """Whether equal cells of a column always stand beside equal cells of the other."""
    names, codes = table.encoded(column)
    _, others = table.encoded(other)
    filled = codes != (names.index("") if "" in names else -1)
    pairs = np.unique((codes * (len(others) + 1) + others)[filled])
    return len(pairs) == len(set(names) - {""})


def _group(table: Table, config: TableConfig, taken: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The column of groups: of several that are called so, the one whose groups hold those of all others.

    Raises:
        InputError: Groups of two columns overlap.
    """
    if config.group_column:
        return ("" if config.group_column == NONE else config.group_column), ()
    called = [column for column in known(table.columns, GROUPS) if column not in taken and not table.is_list(column)]
    if not called:
        return "", _near_groups(table, taken)
    if len(called) == 1:
        return called[0], ()
    widest = next((column for column in called if all(_determines(table, other, column) for other in called)), "")
    if not widest:
        raise InputError(
            f"{table.name} has several columns that may say what stays in one split ({', '.join(called)}), and their groups overlap: name "
            "one in ingest.group_column, or set it to none"
        )
    others = [column for column in called if column != widest]
    return widest, (f"groups are those of column {widest!r}, which hold those of {first_few(list(map(repr, others)))}",)


def _near_groups(table: Table, taken: Collection[str]) -> tuple[str, ...]:
    """Sentences about columns that may hold groups, but are used for nothing."""
    near = [column for column in table.columns if column not in taken and may_be_group(column) and not table.is_list(column)]
    near = [column for column in near if indicator_words(table, column) is None and _has_classes(table, column)]
    return tuple(
        f"{column!r} of {table.name} has values in several rows: name it in ingest.group_column if images of one value belong "
        "together, since they may get into different splits otherwise"
        for column in near
    )


def _need(table: Table, setting: str, column: str) -> None:
    if column and column not in table.columns:
        raise InputError(f"ingest.{setting} is {column!r}, but {table.name} has the columns {', '.join(table.columns)}: name one of these")
