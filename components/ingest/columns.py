"""Which column of a table is what: found by name and by content, unless the settings say."""

import re
from dataclasses import dataclass

from components.ingest.config import TableConfig
from components.ingest.file_names import Names
from components.ingest.listing import some
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
SAMPLE_ROWS = 200


@dataclass(frozen=True)
class Columns:
    """A table's columns by what they mean; an empty name where there is none.

    Attributes:
        path: File names or paths.
        label: One label a cell, or several joined.
        indicators: 0 and 1, one label a column.
        group: What must stay together.
        split: Train, validation or test.
    """

    path: str
    label: str
    indicators: tuple[str, ...]
    group: str
    split: str


def path_column(table: Table, config: TableConfig, names: Names) -> str:
    """The column that names files, or an empty string: by its name, or because its cells are names of files."""
    if config.path_column:
        return config.path_column if config.path_column in table.columns else ""
    known = _known(table, PATHS)
    found = {column: _share_found(table.columns[column], names) for column in (known or table.columns)}
    best = max(found, key=lambda column: found[column], default="")
    return best if best and (known or found[best] >= 0.5) else ""


def find_columns(table: Table, config: TableConfig, path: str) -> Columns:
    """Tells what each column means.

    Args:
        table: A table of labels.
        config: Names that the user set; they must exist.
        path: The column of file names.

    Raises:
        InputError: A column does not exist, has other values than it should, or could be one of several things.
    """
    for setting in ("label_column", "group_column", "split_column"):
        _need(table, setting, getattr(config, setting))
    for column in config.label_columns:
        _need(table, "label_columns", column)
    named = {path, config.label_column, *config.label_columns}
    split = config.split_column or next((name for name in _known(table, SPLITS) if name not in named and _is_split(table, name)), "")
    group = config.group_column or next((name for name in _known(table, GROUPS) if name not in {*named, split}), "")
    rest = [column for column in table.columns if column not in {path, group, split}]
    label, indicators = _labels(table, config, rest)
    return Columns(path, label, indicators, group, split)


def _labels(table: Table, config: TableConfig, rest: list[str]) -> tuple[str, tuple[str, ...]]:
    if config.label_columns:
        wrong = [column for column in config.label_columns if not _is_indicator(table, column)]
        if wrong:
            values = sorted({cell for cell in table.columns[wrong[0]] if cell.lower() not in INDICATORS})
            raise InputError(f"{table.name} has {some(values)} in column {wrong[0]!r}: ingest.label_columns may hold 0 and 1 only")
        return config.label_column, config.label_columns
    label = config.label_column or _label_column(table, rest)
    indicators = tuple(column for column in rest if column != label and _is_indicator(table, column))
    if not label and len(indicators) < 2:
        if len(rest) != 1:
            raise InputError(
                f"{table.name} has no column that is known to hold labels (columns: {', '.join(table.columns)}): "
                "name it in ingest.label_column, or the columns of 0 and 1 in ingest.label_columns"
            )
        return rest[0], ()
    return label, indicators


def _label_column(table: Table, rest: list[str]) -> str:
    """The column called label or the like; of several that say the same (number and name) the first in words."""
    known = [column for column in _known(table, LABELS) if column in rest]
    if len(known) > 1:
        pairs = [set(zip(table.columns[known[0]], table.columns[column], strict=True)) for column in known[1:]]
        one_to_one = all(len({a for a, _ in pair}) == len({b for _, b in pair}) == len(pair) for pair in pairs)
        if not one_to_one:
            raise InputError(f"{table.name} has several columns that may hold the labels ({', '.join(known)}): set ingest.label_column")
        known.sort(key=lambda column: all(cell.isdigit() for cell in table.columns[column]))
    return known[0] if known else ""


def _known(table: Table, keys: list[str]) -> list[str]:
    """Columns called by one of the keys, in the keys' order; case, blanks and underscores don't count."""
    plain = {re.sub(r"[\W_]", "", column.casefold()): column for column in reversed(list(table.columns))}
    return [plain[key] for key in keys if key in plain]


def _need(table: Table, setting: str, column: str) -> None:
    if column and column not in table.columns:
        raise InputError(f"ingest.{setting} is {column!r}, but {table.name} has the columns {', '.join(table.columns)}: name one of these")


def _is_split(table: Table, column: str) -> bool:
    values = {cell.lower() for cell in table.columns[column]}
    return values <= set(SPLIT_NAMES) and values != {""}


def _is_indicator(table: Table, column: str) -> bool:
    values = {cell.lower() for cell in table.columns[column]}
    return values <= set(INDICATORS) and values != {""}


def _share_found(cells: list[str], names: Names) -> float:
    sample = [cell for cell in cells[:SAMPLE_ROWS] if cell]
    return sum(bool(names.find(cell)) for cell in sample) / max(len(sample), 1)
