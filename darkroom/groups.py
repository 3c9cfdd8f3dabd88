"""Which images must stay together: the connected components of images that share a group, a cluster of duplicates or a content."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from darkroom.manifest import Manifest
from darkroom.units import Integers, renumbered


def canonical_order(table: pa.Table) -> Integers:
    """The rows' order by `image_id` and path, `(N,) int64`: what is decided must not depend on the order of delivery."""
    order: Integers = pc.sort_indices(table, sort_keys=[("image_id", "ascending"), ("path", "ascending")]).to_numpy().astype(np.int64)
    return order


def independent_units(columns: Sequence[pa.Array]) -> Integers:
    """Joins rows that share a value in any of the columns, directly or through others.

    Args:
        columns: Of `N` values each; null is equal to nothing.

    Returns:
        `(N,) int64`: the number of each row's unit, counted from 0 in the order of their first rows.
    """
    num_rows = len(columns[0])
    rows, tokens, num_tokens = [], [], 0
    for column in columns:
        encoded = column.dictionary_encode()
        known = np.asarray(pc.is_valid(column))
        rows.append(np.flatnonzero(known))
        tokens.append(encoded.indices.drop_null().to_numpy().astype(np.int64) + num_tokens)
        num_tokens += len(encoded.dictionary)
    row, token = np.concatenate(rows), np.concatenate(tokens)
    size = num_rows + num_tokens
    graph = coo_array((np.ones(len(row), dtype=np.int8), (row, num_rows + token)), shape=(size, size))
    return renumbered(connected_components(graph, directed=False)[1][:num_rows])


def grouping_columns(current: Manifest, further: Manifest | None = None) -> list[pa.Array]:
    """The columns in which an equal value keeps two images together, for `independent_units`.

    Args:
        current: The images of this run.
        further: Other images whose rows come below, such as those of a previous assignment: a patient who was tested on
            before stays in test with new pictures, also where the old pictures are gone.
    """
    tables = [current.table] if further is None else [current.table, further.table]
    columns = []
    for name in ("image_id", "group", "cluster", "pixel_hash"):
        parts = [_column(table, name) for table in tables]
        chunks = [chunk for part in parts for chunk in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])]
        columns.append(pa.concat_arrays([chunk.cast(pa.string()) for chunk in chunks]) if chunks else pa.nulls(0, pa.string()))
    return columns


def _column(table: pa.Table, name: str) -> pa.Array:
    """A column, or nulls; a cluster of before there were near-duplicates is the hash of the pixels."""
    if name == "pixel_hash" and name not in table.column_names:
        name = "cluster"
    return table[name] if name in table.column_names else pa.nulls(len(table), pa.string())
