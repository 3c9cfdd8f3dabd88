"""The issues: one Parquet file, a row a finding, of what is wrong with which image and what was done about it."""

from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darkroom.system.files import whole

Action = Literal["dropped", "relabelled", "flagged"]

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("image_id", pa.string()),
        ("check", pa.string()),  # unreadable, duplicate, contradictory, small, ...
        ("score", pa.float64()),  # what the check measured, in the check's own unit
        ("action", pa.string()),
        ("detail", pa.string()),  # one sentence for a person
    ]
)


def write(path: Path, findings: list[dict[str, object]]) -> None:
    """Writes findings, dictionaries with the columns of `SCHEMA`, in the order they come."""
    with whole(path) as draft:
        pq.write_table(pa.Table.from_pylist(findings, schema=SCHEMA), draft, compression="zstd")


def read(path: Path) -> pd.DataFrame:
    """Reads findings, a row each, with the columns of `SCHEMA`."""
    findings: pd.DataFrame = pq.read_table(path, schema=SCHEMA).to_pandas()
    return findings
