"""Reads JSON that holds a table of labels in one of the forms that programs write."""

import json
from typing import Any

from components.ingest.annotations import Annotations
from components.ingest.coco import read_coco
from components.ingest.csv_table import encoding_of
from components.ingest.file_names import FileNames
from components.ingest.label_studio import read_label_studio
from components.ingest.parquet_table import read_json_lines
from components.ingest.split_names import split_in
from darkroom.system.errors import InputError

Records = list[dict[str, Any]]


def read_json(name: str, data: bytes, names: FileNames, answer: str = "") -> Annotations:
    """Reads a JSON file: a list of objects or of pairs, an object of columns, of files with their labels, or of classes with their files.

    What annotation programs export is read by a reader of its own for each.

    Args:
        name: The table's path in the source.
        data: Its bytes; JSON Lines are read, too.
        names: The files of the source: they tell the forms apart.
        answer: The column of labels that the user named, if any.

    Raises:
        InputError: It is no JSON, or of another form.
    """
    try:
        value = json.loads(data.decode(encoding_of(data)))
    except (ValueError, RecursionError):
        return Annotations(read_json_lines(name, data), ())
    if exported := read_coco(name, value) or read_label_studio(name, value, names, answer):
        return exported
    records = _records(value, name, names)
    if records is None:
        raise InputError(
            f"{name} is not in a form that is read (a list of objects, or one object of names and labels, or of columns): save it as CSV "
            "with a row for each file"
        )
    return Annotations(read_json_lines(name, "\n".join(map(json.dumps, records)).encode()), ())


def _records(value: Any, table: str, names: FileNames) -> Records | None:
    """The rows that a value holds; none if it is of another form."""
    if isinstance(value, list):
        return _from_list(value)
    if not isinstance(value, dict) or not value:
        return None
    if _name_files(list(value), table, names):
        return _from_files(value)
    if all(isinstance(cells, list) for cells in value.values()):
        items = [item for cells in value.values() for item in cells]
        if _name_files(items, table, names):
            return _from_classes(value)
        if not any(isinstance(item, list | dict) for item in items):
            return _from_columns(value, list(value.values()))
    if all(isinstance(cells, dict) for cells in value.values()):
        numbers = list(next(iter(value.values())))
        if all(map(str.isdigit, numbers)) and all(list(cells) == numbers for cells in value.values()):  # of rows, as pandas writes them
            return _from_columns(value, [list(cells.values()) for cells in value.values()])
        return list(value.values())
    inner = [found for part in value.values() if isinstance(part, list) and part and (found := _from_list(part))]
    return inner[0] if len(inner) == 1 else None


def _from_list(value: list[Any]) -> Records | None:
    if value and all(isinstance(row, dict) for row in value):
        return value
    if value and all(isinstance(row, list) and len(row) == 2 and isinstance(row[0], str) for row in value):
        return [{"filename": path, "label": label} for path, label in value]
    return None


def _from_files(value: dict[str, Any]) -> Records | None:
    column = "key" if all(map(str.isdigit, value)) else "filename"  # numbers may be those of classes
    if all(isinstance(cell, dict) for cell in value.values()):
        return [{column: path, **cell} for path, cell in value.items()]
    if any(isinstance(cell, dict) for cell in value.values()):
        return None
    return [{column: path, "label": cell} for path, cell in value.items()]


def _from_classes(value: dict[str, list[Any]]) -> Records:
    """A row for each file, with all classes, or the split, that it stands below."""
    above: dict[str, list[str]] = {}
    for key, items in value.items():
        for item in items:
            above.setdefault(str(item), []).append(key)
    column = "split" if all(map(split_in, value)) else "label"
    several = any(len(keys) > 1 for keys in above.values())
    return [{"filename": path, column: keys if several else keys[0]} for path, keys in above.items()]


def _from_columns(names: Any, columns: list[list[Any]]) -> Records | None:
    if len({len(cells) for cells in columns}) != 1:
        return None
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _name_files(cells: list[Any], table: str, names: FileNames) -> bool:
    """Whether most of some cells name files."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    return 2 * sum(bool(names.locate(text, table)) for text in texts) > len(cells)
