"""Units: images that are one independent observation, such as those of a patient, have the same number."""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def renumbered(units: Integers) -> Integers:
    """The same units `(N,)`, numbered from 0 without a gap in the order of their first rows."""
    _, first, inverse = np.unique(units, return_index=True, return_inverse=True)
    rank: Integers = np.argsort(np.argsort(first))[inverse]
    return rank
