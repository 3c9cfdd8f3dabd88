"""Finds what each column of a table means, by its name and its cells, unless the settings say it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from components.ingest.config import TableConfig
from components.ingest.file_names import FileNames
from components.ingest.listing import first_few
from components.ingest.sources import SPLIT_FOLDERS
from components.ingest.tables import Table
from darkroom.system.errors import InputError

PATHS = "filename file filepath path image imagepath imagename imagefile imageid imageindex img imgpath imgname imgid".split()  # noqa: SIM905
LABELS = (  # noqa: SIM905
    "label labels class classes classname classlabel category categories target targets tag tags finding findings findinglabels "
    "diagnosis dx species breed"
).split()
GROUPS = "group groupid patient patientid subject subjectid product productid lesion lesionid case caseid".split()  # noqa: SIM905
SPLITS = "split givenset set subset partition".split()  # noqa: SIM905
SPLIT_NAMES = {**SPLIT_FOLDERS, "training": "train", "dev": "validation", "testing": "test", "": ""}
INDICATORS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True, "": False}
SAMPLE_ROWS = 200  # first cells that are looked up: enough to tell paths from words, whatever a table's length


@dataclass(frozen=True)
class Columns:
    """A table's columns by their meaning; an empty name if there is no such column.

    Attributes:
        path: File names or paths.
        label: One label a cell, or several joined.
        indicators: 0 and 1, one label a column.
        group: What must stay in one split.
        split: Train, validation or test.
        twins: Other columns that hold the labels in other words, such as numbers beside names.
    """

    path: str
    label: str
    indicators: tuple[str, ...]
    group: str
    split: str
    twins: tuple[str, ...] = ()


def path_column(table: Table, config: TableConfig, names: FileNames) -> str:
    """The column of file names, found by its name or because its cells name files; an empty text if there is none."""
    if config.path_column:
        return config.path_column if config.path_column in table.columns else ""
    known = _known(table, PATHS)
    found = {column: _share_found(table.cells(column, SAMPLE_ROWS), names) for column in (known or table.columns)}
    best = max(found, key=lambda column: found[column], default="")
    return best if best and (known or found[best] >= config.min_found_share) else ""


def find_columns(table: Table, config: TableConfig, path: str) -> Columns:
    """Finds what each column means.

    Args:
        table: A table of labels.
        config: The user's settings; the columns that they name must exist.
        path: The column of file names.

    Raises:
        InputError: A column does not exist, has values that it may not have, or several columns could hold the labels.
    """
    for setting in ("label_column", "group_column", "split_column"):
        _need(table, setting, getattr(config, setting))
    for column in config.label_columns:
        _need(table, "label_columns", column)
    named = {path, config.label_column, *config.label_columns}
    split = config.split_column or next((name for name in _known(table, SPLITS) if name not in named and _is_split(table, name)), "")
    group = config.group_column or next((name for name in _known(table, GROUPS) if name not in {*named, split}), "")
    rest = [column for column in table.columns if column not in {path, group, split}]
    label, indicators, twins = _labels(table, config, rest)
    return Columns(path, label, indicators, group, split, twins)


def _labels(table: Table, config: TableConfig, rest: list[str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The column of labels, the columns of 0 and 1, and the twins of the first."""
    if config.label_columns:
        wrong = [column for column in config.label_columns if not _is_indicator(table, column)]
        if wrong:
            values = sorted(cell for cell in table.distinct(wrong[0]) if cell.lower() not in INDICATORS)
            raise InputError(f"{table.name} has {first_few(values)} in column {wrong[0]!r}: ingest.label_columns may hold 0 and 1 only")
        return config.label_column, config.label_columns, ()
    label, *twins = [config.label_column] if config.label_column else _label_column(table, rest) or [""]
    indicators = tuple(column for column in rest if column != label and _is_indicator(table, column))
    if not label and len(indicators) < 2:
        if len(rest) != 1:
            raise InputError(
                f"{table.name} has no column that is known to hold labels (columns: {', '.join(table.columns)}): "
                "name it in ingest.label_column, or the columns of 0 and 1 in ingest.label_columns"
            )
        return rest[0], (), ()
    return label, indicators, tuple(twins)


def _label_column(table: Table, rest: list[str]) -> list[str]:
    """The columns called label or the like, which all say the same (number and name); the first in words goes first."""
    known = [column for column in _known(table, LABELS) if column in rest]
    if len(known) > 1:
        pairs = [set(zip(table.cells(known[0]), table.cells(column), strict=True)) for column in known[1:]]
        one_to_one = all(len({a for a, _ in pair}) == len({b for _, b in pair}) == len(pair) for pair in pairs)
        if not one_to_one:
            raise InputError(f"{table.name} has several columns that may hold the labels ({', '.join(known)}): set ingest.label_column")
        known.sort(key=lambda column: all(cell.isdigit() for cell in table.distinct(column)))
    return known


def _known(table: Table, keys: list[str]) -> list[str]:
    """Columns called by one of the keys, in the keys' order; case, blanks and underscores don't count."""
    plain = {re.sub(r"[\W_]", "", column.casefold()): column for column in reversed(table.columns)}
    return [plain[key] for key in keys if key in plain]


def _need(table: Table, setting: str, column: str) -> None:
    if column and column not in table.columns:
        raise InputError(f"ingest.{setting} is {column!r}, but {table.name} has the columns {', '.join(table.columns)}: name one of these")


def _is_split(table: Table, column: str) -> bool:
    return _holds_only(table, column, SPLIT_NAMES)


def _is_indicator(table: Table, column: str) -> bool:
    return _holds_only(table, column, INDICATORS)


def _holds_only(table: Table, column: str, words: Mapping[str, object]) -> bool:
    """Whether every cell is one of the words, in any case, and not all cells are empty."""
    if pa.types.is_nested(table.values[column].type):
        return False
    cells = {cell.lower() for cell in table.distinct(column)}
    return cells <= set(words) and cells != {""}


def _share_found(cells: list[str], names: FileNames) -> float:
    sample = [cell for cell in cells if cell]
    return sum(bool(names.find(cell)) for cell in sample) / max(len(sample), 1)
