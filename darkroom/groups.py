"""Which images must stay together: connected components over everything that ties two of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from darkroom.manifest import Manifest

Integers = npt.NDArray[np.int64]


def canonical_order(table: pa.Table) -> Integers:
    """The rows' order by `image_id` and path, `(N,) int64`: what is decided must not depend on the order of delivery."""
    order: Integers = pc.sort_indices(table, sort_keys=[("image_id", "ascending"), ("path", "ascending")]).to_numpy().astype(np.int64)
    return order


def units(ties: Sequence[pa.Array]) -> Integers:
    """Joins rows that share a value in any of the columns, directly or through others.

    Args:
        ties: Columns of `N` values each; null ties to nothing.

    Returns:
        `(N,) int64`: a number for each row's unit, counted from 0 in the order of their first rows.
    """
    num_rows = len(ties[0])
    rows, tokens, num_tokens = [], [], 0
    for column in ties:
        encoded = column.dictionary_encode()
        known = np.asarray(pc.is_valid(column))
        rows.append(np.flatnonzero(known))
        tokens.append(encoded.indices.drop_null().to_numpy().astype(np.int64) + num_tokens)
        num_tokens += len(encoded.dictionary)
    row, token = np.concatenate(rows), np.concatenate(tokens)
    size = num_rows + num_tokens
    graph = coo_array((np.ones(len(row), dtype=np.int8), (row, num_rows + token)), shape=(size, size))
    component = connected_components(graph, directed=False)[1][:num_rows]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    together: Integers = rank[inverse]
    return together


def ties(now: Manifest, earlier: Manifest | None) -> list[pa.Array]:
    """The columns that tie images, the rows of the earlier assignment below those of now.

    Images that are gone still tie: a patient who was tested on before stays in test with new pictures.
    """
    tables = [now.table] if earlier is None else [now.table, earlier.table]
    columns = []
    for name in ("image_id", "group", "cluster"):
        parts = [table[name] if name in table.column_names else pa.nulls(len(table), pa.string()) for table in tables]
        chunks = [chunk for part in parts for chunk in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])]
        columns.append(pa.concat_arrays([chunk.cast(pa.string()) for chunk in chunks]) if chunks else pa.nulls(0, pa.string()))
    return columns
