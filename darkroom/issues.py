"""The issues: one Parquet file, a row a finding, of what is wrong with which image and what was done about it.

The worst findings also hold small pictures, in columns that only this module reads.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
WITHOUT_PICTURE = frozenset({"unreadable", "undecoded", "refused"})  # checks about files that hold none
_NAMES = pa.list_(pa.string())
EXPECTED = "expected_labels"
_ILLUSTRATION = pa.schema(  # null of findings without one, and missing in files of before there were any
    [
        ("picture", pa.binary()),
        ("given_labels", _NAMES),
        (EXPECTED, _NAMES),
        ("other_id", pa.string()),  # so that whoever looks for the other image by its id finds its picture
        ("other_picture", pa.binary()),
    ]
)
_FIRST = ("suggested", "mislabelled", "contradictory", "off_topic", "near_duplicate", "same_thing")
_LAST = ("duplicate", "verdict")  # what is certain, and what was decided before
_FORMAT = Format("table of issues")
_KEY = b"darkroom"


@dataclass(frozen=True)
class Illustration:
    """What a finding is shown with.

    Attributes:
        picture: A small picture of the image, the bytes of a PNG or JPEG file.
        given_labels: The image's labels, as they were when it was found.
        expected_labels: What they should be, or none where the finding does not say so.
        other_id: The image that it is a copy of, or none.
        other_picture: A small picture of that.
    """

    picture: bytes
    given_labels: Sequence[str] = ()
    expected_labels: Sequence[str] | None = None
    other_id: str | None = None
    other_picture: bytes | None = None


def write(path: Path, findings: list[dict[str, object]], illustrations: Mapping[int, Illustration] | None = None) -> None:
    """Writes findings, dictionaries with the columns of `SCHEMA`, in the order they come.

    Args:
        path: Where to.
        findings: A dictionary each; `EXPECTED` is one more key of those that say which labels an image should have.
        illustrations: Pictures of some of them, by their numbers.
    """
    shown = illustrations or {}
    columns = [vars(shown[row]) if row in shown else {EXPECTED: one.get(EXPECTED)} for row, one in enumerate(findings)]
    pictures = pa.Table.from_pylist(columns, schema=_ILLUSTRATION)
    table = pa.Table.from_pylist(findings, schema=SCHEMA)
    for name in _ILLUSTRATION.names:
        table = table.append_column(_ILLUSTRATION.field(name), pictures[name])
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


def illustrated(path: Path) -> list[tuple[dict[str, Any], Illustration]]:
    """Reads the findings that have a picture, with it, by check, the worst first."""
    findings = _table(path).to_pylist()
    if not set(_ILLUSTRATION.names) <= set(pq.read_schema(path).names):
        return []
    pictures = pq.read_table(path, columns=_ILLUSTRATION.names).to_pylist()
    shown = {number: Illustration(**picture) for number, picture in enumerate(pictures) if picture["picture"] is not None}
    order = [number for rows in by_check(findings).values() for number in rows if number in shown]
    return [(findings[number], shown[number]) for number in order]


def expected_labels(path: Path) -> dict[str, list[str]]:
    """The labels that images should have, by path, where a finding says so."""
    if EXPECTED not in pq.read_schema(path).names:  # of before there was the column
        return {}
    table = pq.read_table(path, columns=["path", EXPECTED])
    pairs = zip(table["path"].to_pylist(), table[EXPECTED].to_pylist(), strict=True)
    return {name: labels for name, labels in pairs if labels is not None}


def by_check(findings: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """The numbers of the findings of each check, the worst first; the checks in the order in which a person looks at them."""
    rank = {check: number for number, check in enumerate((*_FIRST, "", *_LAST))}
    checks = sorted({row["check"] for row in findings}, key=lambda check: (rank.get(check, len(_FIRST)), check))
    worst = sorted(range(len(findings)), key=lambda number: (-findings[number]["score"], findings[number]["path"] or ""))
    return {check: [number for number in worst if findings[number]["check"] == check] for check in checks}


def num_dropped(path: Path) -> int:
    """Delivered files that were left out, each counted once however many findings it has."""
    table = _table(path)
    return int(pc.count_distinct(table.filter(pc.equal(table["action"], "dropped"))["path"]).as_py())


def _table(path: Path) -> pa.Table:
    _FORMAT.upgrade(json.loads((pq.read_schema(path).metadata or {}).get(_KEY, b"{}")), path)
    return pq.read_table(path, schema=SCHEMA)
