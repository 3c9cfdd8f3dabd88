"""Tables that runs keep: written anew without the rows of images, with everything that they mean, and a count of what was taken out."""

import json
from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FORGOTTEN = "num_forgotten"  # rows that were taken out later: the measures beside the table were made with them
KEY = b"darkroom"
_SENTENCES = ("detail", "other")  # columns that may name another image's file
_OTHER, _PICTURE = "other_id", "other_picture"  # of a finding about two images: the second one, and what it looks like


def without_images(data: bytes, names: Collection[str], blot: Callable[[str], str] = str) -> bytes | None:
    """A Parquet table without the rows of some images.

    A cluster that is named after one of them is named after the smallest of its other images.

    Args:
        data: The file's bytes.
        names: The images' ids.
        blot: Takes what names them out of texts: of notes, and of sentences about other images.

    Returns:
        The file's new bytes; nothing where the table names none of them.

    Raises:
        pyarrow.ArrowException: The file is damaged.
    """
    table = pq.read_table(pa.BufferReader(data))
    unwanted, rest = pa.array(sorted(names), pa.string()), table
    for name in {"image_id", "source_id"} & set(table.column_names):
        rest = rest.filter(pc.invert(pc.is_in(rest[name], unwanted)))
    if "cluster" in rest.column_names:
        rest = _renamed_clusters(rest, set(names))
    if {_OTHER, _PICTURE} <= set(rest.column_names):
        rest = _without_others(rest, unwanted)
    for name in set(_SENTENCES) & set(rest.column_names):
        texts = [None if text is None else blot(text) for text in rest[name].to_pylist()]
        rest = rest.set_column(rest.column_names.index(name), name, pa.array(texts, pa.string()))
    meaning = (table.schema.metadata or {}).get(KEY, b"{}").decode()
    if rest.equals(table) and blot(meaning) == meaning:
        return None
    sink = pa.BufferOutputStream()
    pq.write_table(rest.replace_schema_metadata(_stamped(table, blot(meaning), len(table) - len(rest))), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _without_others(table: pa.Table, unwanted: pa.Array) -> pa.Table:
    """Findings that show none of the unwanted images beside their own."""
    found = pc.fill_null(pc.is_in(table[_OTHER], unwanted), fill_value=False)
    for name in (_OTHER, _PICTURE):
        column = table[name]
        table = table.set_column(table.column_names.index(name), name, pc.if_else(found, pa.scalar(None, column.type), column))
    return table


def roles(data: bytes, names: Collection[str]) -> set[str]:
    """The splits in which a table has some images; empty where it has none of them."""
    table = pq.read_table(pa.BufferReader(data), columns=["image_id", "split"])
    rows = table.filter(pc.is_in(table["image_id"], pa.array(sorted(names), pa.string())))
    return {split for split in rows["split"].to_pylist() if split}


def _renamed_clusters(table: pa.Table, names: set[str]) -> pa.Table:
    clusters, ids = table["cluster"].to_pylist(), table["image_id"].to_pylist()
    heirs: dict[str, str] = {}
    for cluster, name in zip(clusters, ids, strict=True):
        if cluster in names:
            heirs[cluster] = min(heirs.get(cluster, name), name)
    column = pa.array([heirs.get(cluster, cluster) for cluster in clusters], pa.string())
    return table.set_column(table.column_names.index("cluster"), "cluster", column)


def _stamped(table: pa.Table, meaning: str, number: int) -> dict[bytes, bytes]:
    with_meaning: dict[str, Any] = json.loads(meaning)
    with_meaning[FORGOTTEN] = with_meaning.get(FORGOTTEN, 0) + number
    return {**(table.schema.metadata or {}), KEY: json.dumps(with_meaning, ensure_ascii=False).encode()}
