"""Labels from a table's cells: one a row, several joined in a cell, or a column of 0 and 1 for each."""

import unicodedata
from dataclasses import dataclass, replace

from components.ingest.columns import INDICATORS, Columns
from components.ingest.tables import JOINT, Table
from darkroom.system.errors import InputError


@dataclass(frozen=True)
class Labels:
    """Labels of a table's rows.

    Attributes:
        rows: Labels of each row, in the order of the classes where that is known.
        classes: The columns' own order, labels that never occur included; empty where there are no such columns.
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
        task: `auto`, or what the user says: it settles whether cells are taken apart.

    Raises:
        InputError: The column of labels and the columns of 0 and 1 contradict each other.
    """
    if not columns.label:
        return _from_indicators(table, columns.indicators, task)
    cells = [unicodedata.normalize("NFC", cell) for cell in table.cells(columns.label)]
    joint = "" if task in ("binary", "multiclass") else _joint(cells, separator)
    rows = [_split(cell, joint) for cell in cells]
    occurring = {label for row in rows for label in row}
    beside = [column for column in columns.indicators if _name(column) in occurring or not any(_flags(table, column))]
    if not any(_name(column) in occurring for column in beside):
        return Labels(rows, (), bool(joint) or task == "multilabel", (columns.label,))
    both = _from_indicators(table, tuple(beside), "multilabel" if joint else task)
    _compare(table, columns, rows, both)
    return replace(both, columns=(columns.label, *both.columns))


def _from_indicators(table: Table, indicators: tuple[str, ...], task: str) -> Labels:
    flags = [_flags(table, column) for column in indicators]
    classes = tuple(_name(column) for column in indicators)
    rows = [tuple(name for name, flag in zip(classes, row, strict=True) if flag) for row in zip(*flags, strict=True)]
    one_hot = task != "multilabel" and all(len(row) == 1 for row in rows)
    return Labels(rows, classes, not one_hot, indicators)


def _compare(table: Table, columns: Columns, rows: list[tuple[str, ...]], both: Labels) -> None:
    for name, joined, flagged in zip(table.cells(columns.path), rows, both.rows, strict=True):
        if set(joined) != set(flagged):
            raise InputError(
                f"{table.name} contradicts itself at {name!r}: column {columns.label!r} says {'|'.join(joined) or 'nothing'}, the columns "
                f"of 0 and 1 say {'|'.join(flagged) or 'nothing'}: mend the row, or choose by ingest.label_column or ingest.label_columns"
            )


def _joint(cells: list[str], separator: str) -> str:
    """What joins labels in these cells; a comma or semicolon counts if taking cells apart leaves no more labels than there were."""
    for joint in (JOINT, separator):
        if any(joint in cell for cell in cells):
            return joint
    distinct = set(cells) - {""}
    for joint in (";", ","):
        labels = {label for cell in distinct for label in _split(cell, joint)}
        if any(joint in cell for cell in distinct) and len(labels) <= len(distinct):
            return joint
    return ""


def _split(cell: str, joint: str) -> tuple[str, ...]:
    parts = [part.strip() for part in cell.split(joint)] if joint else [cell]
    return tuple(dict.fromkeys(part for part in parts if part))


def _flags(table: Table, column: str) -> list[bool]:
    return [INDICATORS[cell.lower()] for cell in table.cells(column)]


def _name(column: str) -> str:
    return unicodedata.normalize("NFC", column)
