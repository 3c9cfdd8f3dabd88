"""Reads labels from a table: one in a cell, several joined or listed in a cell, or a column of 0 and 1 for each label."""

import re
from dataclasses import dataclass, replace

import numpy as np

from components.ingest.cells import TRUE, in_one_form, missing_labels
from components.ingest.columns import Columns
from components.ingest.config import TableConfig
from components.ingest.indicators import LEFT_OUT, class_name, indicator_words, read_flags
from components.ingest.label_lists import are_lists, list_items, refuse_vectors, some_list
from components.ingest.listing import first_few
from components.ingest.separators import find_separator, split_cell, without_empty_parts
from components.ingest.tables import LIST_SEPARATOR, Table
from components.ingest.taxonomy import leaf_names, of_exported_cell
from darkroom.system.errors import InputError

MAX_NUMBERS = 10  # with decimals, that may be classes
MIN_ROWS_FOR_REPEATS = 20  # of a table in which some label must come twice


@dataclass(frozen=True)
class Labels:
    """Labels of a table's rows.

    Attributes:
        rows: Labels of each row, in the order of the classes if that is known; none for a row that is left out.
        classes: The labels in the order of the columns of 0 and 1, also those that never occur; empty without such columns.
        multilabel: Whether a row may have several labels, or none.
        columns: The table's columns that the labels were read from.
        notes: Sentences that say how cells were read.
    """

    rows: list[tuple[str, ...] | None]
    classes: tuple[str, ...]
    multilabel: bool
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_labels(table: Table, columns: Columns, config: TableConfig, task: str) -> Labels:
    """Reads the labels of every row.

    Args:
        table: The table.
        columns: What its columns mean.
        config: What joins labels, and what uncertain, empty and missing cells mean.
        task: The user's task, or `auto`; a task of one label leaves cells whole.

    Raises:
        InputError: A cell has two readings, or the column of labels and the columns of 0 and 1 contradict each other.
    """
    if not columns.label:
        return _from_indicators(table, columns.indicators, config, task)
    labels = _from_cells(table, columns.label, config, task)
    occurring = {label for row in labels.rows for label in row or ()}
    beside = [column for column in columns.indicators if class_name(column) in occurring or _never_set(table, column)]
    if not any(class_name(column) in occurring for column in beside):
        return labels
    flagged = _from_indicators(table, tuple(beside), config, "multilabel" if labels.multilabel else task)
    _refuse_contradiction(table, columns, labels.rows, flagged.rows)
    return replace(flagged, columns=(columns.label, *flagged.columns), notes=(*labels.notes, *flagged.notes))


def _from_cells(table: Table, column: str, config: TableConfig, task: str) -> Labels:
    cells, codes = table.encoded(column)
    missing = missing_labels(table.name, column, set(cells), config.missing_words)
    present = ["" if cell in missing else cell for cell in cells]
    num_missing = int(np.isin(codes, [number for number, cell in enumerate(cells) if cell in missing]).sum())
    notes = [f"{num_missing:,} cell(s) of column {column!r} ({first_few(sorted(missing))}) are read as empty"] if missing else []
    if not config.label_column:
        _refuse_measured(table, column, set(present) - {""})
    labels, several, told = _parted(table, column, present, config, task)
    rows = [labels[code] or (None if not several else ()) for code in codes.tolist()]
    if not config.label_column and not several and len(set(rows) - {None}) == len(rows) >= MIN_ROWS_FOR_REPEATS:
        raise InputError(
            f"{table.name} has another value in each row of {column!r}, which is no column of labels then: name the one that is in "
            "ingest.label_column"
        )
    if num_empty := rows.count(()):
        notes.append(f"{num_empty:,} row(s) of {table.name} name nothing in column {column!r}: images with none of the labels")
    return Labels(rows, (), several, (column,), tuple(filter(None, (*notes, *told))))


def _refuse_measured(table: Table, column: str, cells: set[str]) -> None:
    """Refuses many numbers with decimals: what is measured is no class."""
    measured = sorted(cell for cell in cells if re.fullmatch(r"[-+]?[0-9]*[.,]?[0-9]+([eE][-+]?[0-9]+)?[ %°]*", cell))
    with_decimals = [cell for cell in measured if not re.fullmatch(r"[-+]?[0-9]+([.,]0+)?", cell)]
    if len(measured) == len(cells) > MAX_NUMBERS and with_decimals:
        raise InputError(
            f"{table.name} has {len(cells)} numbers in column {column!r} ({first_few(with_decimals)}), which seem to be measured: write "
            "classes, such as ranges of them, or name the column in ingest.label_column to take each number for a class"
        )


def _parted(table: Table, column: str, cells: list[str], config: TableConfig, task: str) -> tuple[list[tuple[str, ...]], bool, list[str]]:
    """The labels of each cell that occurs, whether there may be several, and sentences about how they are told apart."""
    if config.separator != "none" and not table.is_list(column) and any(map(of_exported_cell, cells)):
        return _from_export(table, column, cells, task)
    if table.is_list(column) or (config.separator != "none" and are_lists(set(cells))):
        listed = _typed_lists(cells) if table.is_list(column) else [list_items(table.name, column, cell) for cell in cells]
        refuse_vectors(table.name, column, listed, _lengths(table, column, cells))
        listed, folded = in_one_form(column, listed)
        several = task == "multilabel" or any(len(row) > 1 for row in listed)
        return listed, several, [f"column {column!r} of {table.name} holds lists of labels", *folded]
    if config.separator != "none" and (example := some_list(set(cells))):
        raise InputError(
            f"{table.name} has {example[:200]!r} in column {column!r}, a list, beside cells that are none: write all as in cat|dog, or set "
            "ingest.separator to none to take each cell as one label"
        )
    whole = task in ("binary", "multiclass")
    parted = cells if config.separator == "none" else [without_empty_parts(cell) for cell in cells]
    mark, note = ("", "") if whole else find_separator(table.name, column, set(parted) - {""}, config.separator)
    labels, folded = in_one_form(column, [tuple(filter(None, split_cell(cell, mark))) for cell in parted])
    refuse_vectors(table.name, column, labels, {len(cell.split(mark)) for cell in parted if cell} if mark else set())
    ends = [cell for cell, kept in zip(cells, parted, strict=True) if cell != kept]
    ignored = [f"nothing stands beside a separator in {len(ends)} value(s) of column {column!r}, as in {ends[0][:200]!r}"] if ends else []
    return labels, bool(mark) or task == "multilabel", [note, *ignored, *folded]


def _from_export(table: Table, column: str, cells: list[str], task: str) -> tuple[list[tuple[str, ...]], bool, list[str]]:
    """As `_parted`, of a column of Label Studio's CSV: one choice is a text, several are JSON."""
    listed = [of_exported_cell(cell) or ([cell] if cell else []) for cell in cells]
    names, note = leaf_names({choice for row in listed for choice in row})
    labels, folded = in_one_form(column, [tuple(dict.fromkeys(names[choice] for choice in row)) for row in listed])
    told = [f"column {column!r} of {table.name} is a taxonomy of Label Studio's: {note}"] if note else []
    several = task == "multilabel" or any(len(row) > 1 for row in labels)
    return labels, several, [f"column {column!r} of {table.name} holds choices as Label Studio writes them", *told, *folded]


def _typed_lists(cells: list[str]) -> list[tuple[str, ...]]:
    return [tuple(dict.fromkeys(item for item in cell.split(LIST_SEPARATOR) if item)) for cell in cells]


def _lengths(table: Table, column: str, cells: list[str]) -> set[int]:
    """How many items the lists have, repeated ones included."""
    mark = LIST_SEPARATOR if table.is_list(column) else "," if any("," in cell for cell in cells) else None
    return {len(cell.strip("[](){} ").split(mark)) for cell in cells if cell}


def _never_set(table: Table, column: str) -> bool:
    return not (indicator_words(table, column) or set()) & TRUE


def _from_indicators(table: Table, indicators: tuple[str, ...], config: TableConfig, task: str) -> Labels:
    flags, notes = read_flags(table, indicators, config)
    classes = tuple(map(class_name, indicators))
    patterns, codes = np.unique(flags, axis=0, return_inverse=True)
    labels = [_row(classes, pattern) for pattern in patterns.tolist()]
    one_hot = task != "multilabel" and all(len(row) == 1 for row in labels if row is not None)
    return Labels([labels[code] for code in codes.reshape(-1).tolist()], classes, not one_hot, indicators, tuple(notes))


def _row(classes: tuple[str, ...], pattern: list[int]) -> tuple[str, ...] | None:
    return None if LEFT_OUT in pattern else tuple(name for name, flag in zip(classes, pattern, strict=True) if flag)


def _refuse_contradiction(
    table: Table, columns: Columns, rows: list[tuple[str, ...] | None], flagged_rows: list[tuple[str, ...] | None]
) -> None:
    for number, (joined, flagged) in enumerate(zip(rows, flagged_rows, strict=True)):
        if flagged is not None and set(joined or ()) != set(flagged):
            name = table.cells(columns.path)[number]
            raise InputError(
                f"{table.name} contradicts itself at {name!r}: column {columns.label!r} says {'|'.join(joined or ()) or 'nothing'}, the "
                f"columns of 0 and 1 say {'|'.join(flagged) or 'nothing'}: correct the row, or set ingest.label_column or "
                "ingest.label_columns"
            )
