"""Units of images."""

import numpy as np

from darkroom.units import renumbered


def test_units_are_numbered_in_the_order_of_their_first_rows():
    assert renumbered(np.array([7, 3, 7, 9, 3])).tolist() == [0, 1, 0, 2, 1]
    assert renumbered(np.zeros(0, np.int64)).tolist() == []
