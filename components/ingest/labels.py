"""Reads labels from a table: one in a cell, several joined in a cell, or a column of 0 and 1 for each label."""

import unicodedata
from dataclasses import dataclass, replace

from components.ingest.columns import INDICATORS, Columns
from components.ingest.tables import LIST_SEPARATOR, Table
from darkroom.system.errors import InputError


@dataclass(frozen=True)
class Labels:
    """Labels of a table's rows.

    Attributes:
        rows: Labels of each row, in the order of the classes if that is known.
        classes: The labels in the order of the columns of 0 and 1, also those that never occur; empty without such columns.
        multilabel: Whether a row may have several labels, or none.
        columns: The table's columns that the labels were read from.
    """

    rows: list[tuple[str, ...]]
    classes: tuple[str, ...]
    multilabel: bool
    columns: tuple[str, ...]


def read_labels(table: Table, columns: Columns, separator: str, task: str) -> Labels:
    """Reads the labels of every row.

    Args:
        table: The table.
        columns: What its columns mean.
        separator: What joins several labels in one cell.
        task: The user's task, or `auto`; a task of one label leaves cells whole.

    Raises:
        InputError: The column of labels and the columns of 0 and 1 contradict each other.
    """
    if not columns.label:
        return _from_indicators(table, columns.indicators, task)
    cells = [unicodedata.normalize("NFC", cell) for cell in table.cells(columns.label)]
    joiner = "" if task in ("binary", "multiclass") else _find_separator(cells, separator)
    rows = [_split(cell, joiner) for cell in cells]
    occurring = {label for row in rows for label in row}
    beside = [column for column in columns.indicators if _name(column) in occurring or not any(_flags(table, column))]
    if not any(_name(column) in occurring for column in beside):
        return Labels(rows, (), bool(joiner) or task == "multilabel", (columns.label,))
    flagged_labels = _from_indicators(table, tuple(beside), "multilabel" if joiner else task)
    _refuse_contradiction(table, columns, rows, flagged_labels)
    return replace(flagged_labels, columns=(columns.label, *flagged_labels.columns))


def _from_indicators(table: Table, indicators: tuple[str, ...], task: str) -> Labels:
    flags = [_flags(table, column) for column in indicators]
    classes = tuple(_name(column) for column in indicators)
    rows = [tuple(name for name, flag in zip(classes, row, strict=True) if flag) for row in zip(*flags, strict=True)]
    one_hot = task != "multilabel" and all(len(row) == 1 for row in rows)
    return Labels(rows, classes, not one_hot, indicators)


def _refuse_contradiction(table: Table, columns: Columns, rows: list[tuple[str, ...]], flagged_labels: Labels) -> None:
    for name, joined, flagged in zip(table.cells(columns.path), rows, flagged_labels.rows, strict=True):
        if set(joined) != set(flagged):
            raise InputError(
                f"{table.name} contradicts itself at {name!r}: column {columns.label!r} says {'|'.join(joined) or 'nothing'}, the columns "
                f"of 0 and 1 say {'|'.join(flagged) or 'nothing'}: correct the row, or set ingest.label_column or ingest.label_columns"
            )


def _find_separator(cells: list[str], separator: str) -> str:
    """What joins labels in these cells; a comma or semicolon only if splitting leaves no more labels than there were cells."""
    for joiner in (LIST_SEPARATOR, separator):
        if any(joiner in cell for cell in cells):
            return joiner
    distinct = set(cells) - {""}
    for joiner in (";", ","):
        labels = {label for cell in distinct for label in _split(cell, joiner)}
        if any(joiner in cell for cell in distinct) and len(labels) <= len(distinct):
            return joiner
    return ""


def _split(cell: str, joiner: str) -> tuple[str, ...]:
    parts = [part.strip() for part in cell.split(joiner)] if joiner else [cell]
    return tuple(dict.fromkeys(part for part in parts if part))


def _flags(table: Table, column: str) -> list[bool]:
    return [INDICATORS[cell.lower()] for cell in table.cells(column)]


def _name(column: str) -> str:
    return unicodedata.normalize("NFC", column)
