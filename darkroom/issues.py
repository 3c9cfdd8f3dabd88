"""The issues: one Parquet file, a row a finding, of what is wrong with which image and what was done about it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from darkroom.system.files import whole
from darkroom.system.formats import Format

if TYPE_CHECKING:
    import pandas as pd

Action = Literal["dropped", "relabelled", "tied", "flagged", "relabel proposed", "drop proposed"]

SCHEMA = pa.schema(
    [
        ("path", pa.string()),  # null of a finding about a class or a column, as is the image
        ("image_id", pa.string()),
        ("check", pa.string()),  # unreadable, duplicate, near_duplicate, contradictory, small, ...
        ("score", pa.float64()),  # what the check measured, in the check's own unit; higher is worse
        ("action", pa.string()),
        ("detail", pa.string()),  # one sentence for a person
        ("other", pa.string()),  # the file that it is a copy of; null where there is none, and in files of before there was the column
    ]
)
_FORMAT = Format("table of issues")
_KEY = b"darkroom"


def write(path: Path, findings: list[dict[str, object]]) -> None:
    """Writes findings, dictionaries with the columns of `SCHEMA`, in the order they come."""
    table = pa.Table.from_pylist(findings, schema=SCHEMA)
    with whole(path) as draft:
        pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(_FORMAT.stamp({})).encode()}), draft, compression="zstd")


def read(path: Path) -> "pd.DataFrame":
    """Reads findings, a row each, with the columns of `SCHEMA`.

    Raises:
        InputError: A later version of Darkroom wrote the file.
    """
    findings: pd.DataFrame = _table(path).to_pandas()
    return findings


def rows(path: Path) -> list[dict[str, Any]]:
    """Reads findings as plain values, a dictionary each, with the columns of `SCHEMA`."""
    findings: list[dict[str, Any]] = _table(path).to_pylist()
    return findings


def num_dropped(path: Path) -> int:
    """Delivered files that were left out, each counted once however many findings it has."""
    table = _table(path)
    return int(pc.count_distinct(table.filter(pc.equal(table["action"], "dropped"))["path"]).as_py())


def _table(path: Path) -> pa.Table:
    _FORMAT.upgrade(json.loads((pq.read_schema(path).metadata or {}).get(_KEY, b"{}")), path)
    return pq.read_table(path, schema=SCHEMA)
