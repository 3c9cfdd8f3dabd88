"""Units of images."""

import numpy as np

from darkroom.units import renumbered, unique_pairs


def test_units_are_numbered_in_the_order_of_their_first_rows():
    assert renumbered(np.array([7, 3, 7, 9, 3])).tolist() == [0, 1, 0, 2, 1]
    assert renumbered(np.zeros(0, np.int64)).tolist() == []


def test_pairs_stand_once_and_in_order():
    rows = np.array([0, 2, 2**16, 2**31 - 1], np.int32)
    pairs = rows[np.random.default_rng(0).integers(4, size=(200, 2))]
    found = unique_pairs([pairs[:80], pairs[80:]])
    assert found.dtype == np.int64 and len(found) == 16
    assert found.tolist() == np.unique(pairs, axis=0).tolist()
    assert unique_pairs([pairs[:0]]).shape == unique_pairs([]).shape == (0, 2)
