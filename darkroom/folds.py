"""The folds of cross-validation: the images for training and validation, divided again."""

import numpy as np
from scipy.sparse import csr_array

from darkroom.stratification import stratify_images
from darkroom.units import Integers

NO_FOLD = -1


def assign_folds(labels: csr_array, unit: Integers, divided: Integers, num_folds: int, *, exclusive: bool, seed: int) -> Integers:
    """Divides images into folds, stratified, with the images of a unit together.

    Args:
        labels: `(N, K)` of 0 and 1, which labels each image has.
        unit: `(N,)` numbers: images of one number stay together.
        divided: Rows of the images that are divided.
        num_folds: How many.
        exclusive: Every image has exactly one label.
        seed: Decides which units go where.

    Returns:
        `(N,) int64` of 0 to `num_folds` - 1, and -1 for the other images.
    """
    folds = np.full(labels.shape[0], NO_FOLD, dtype=np.int64)
    nothing = np.zeros((labels.shape[1] + 1, num_folds), dtype=np.int64)
    shares = np.full(num_folds, 1 / num_folds)
    folds[divided] = stratify_images(labels[divided], unit[divided], nothing, shares, exclusive=exclusive, seed=seed)
    return folds
