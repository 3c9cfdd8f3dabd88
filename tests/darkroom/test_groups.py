"""Which images are kept together."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import DisjointSet

from darkroom.groups import canonical_order, grouping_columns, independent_units
from darkroom.manifest import Manifest


def test_units_join_through_any_column_and_through_others() -> None:
    group = pa.array(["a", "a", None, None, "b", None])
    cluster = pa.array([None, "x", "x", None, "y", "y"])
    assert independent_units([group, cluster]).tolist() == [0, 0, 0, 1, 2, 2]


def test_equal_values_of_different_columns_tie_nothing() -> None:
    assert independent_units([pa.array(["a", None]), pa.array([None, "a"])]).tolist() == [0, 1]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.none() | st.integers(0, 6), st.none() | st.integers(0, 6)), min_size=1, max_size=25))
def test_units_are_the_components_of_the_graph_of_ties(rows: list[tuple[int | None, int | None]]) -> None:
    columns = [pa.array([None if row[place] is None else str(row[place]) for row in rows], pa.string()) for place in (0, 1)]
    together = DisjointSet(range(len(rows)))
    for first, one in enumerate(rows):
        for second, other in enumerate(rows):
            if any(a is not None and a == b for a, b in zip(one, other, strict=True)):
                together.merge(first, second)
    found = independent_units(columns)
    for component in together.subsets():
        assert len({found[number] for number in component}) == 1
    assert len(np.unique(found)) == together.n_subsets


def test_order_is_settled_by_the_images_not_by_their_delivery() -> None:
    table = pa.table({"path": ["z", "b", "a"], "image_id": ["2", "1", "1"]})
    assert canonical_order(table).tolist() == [2, 1, 0]


def test_equal_pixels_tie_images_to_those_of_an_earlier_release_whose_cluster_was_their_hash() -> None:
    now = pa.table({"image_id": ["1", "2", "3"], "cluster": ["1", "1", "3"], "pixel_hash": ["x", "y", "z"]})
    before = pa.table({"image_id": ["8", "9"], "cluster": ["z", "w"]})
    current, earlier = (Manifest(table, ("a", "b"), "binary", "v1") for table in (now, before))
    assert independent_units(grouping_columns(current, earlier)).tolist() == [0, 0, 1, 1, 2]
