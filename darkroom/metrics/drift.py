"""Drift: whether two sets of vectors look as if they came from one distribution, by two permutation tests.

Both tests hold their level whatever the distribution is: the labels `earlier` and `later` are exchanged at random, and
the value is compared with those of the exchanged labels. What depends on each other, such as several pictures of one patient, must
come as one vector (see `one_each`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darkroom.units import Integers

Floats = npt.NDArray[np.float64]

MIN_VECTORS = 10  # a side: with fewer no test says anything
_NUM_FOLDS = 5
_RIDGE = 1e-2  # times the mean squared length of the vectors: the classifier's penalty


@dataclass(frozen=True)
class Test:
    """A permutation test.

    Attributes:
        value: What was measured.
        p_value: Share of the permutations with a value as large, this one among them.
    """

    value: float
    p_value: float


@dataclass(frozen=True)
class Drift:
    """How two sets of vectors differ.

    Attributes:
        num_earlier: Vectors on the one side.
        num_later: On the other.
        mmd: Unbiased estimate of the squared maximum mean discrepancy, with a Gaussian kernel as wide as the median distance; about 0
            for one distribution.
        auc: Area under the ROC curve of a linear classifier that tells the sides apart, on vectors that it was not fitted to; about
            0.5 for one distribution, 1 where every vector is told.
    """

    num_earlier: int
    num_later: int
    mmd: Test
    auc: Test


def drift(earlier: npt.NDArray[np.floating], later: npt.NDArray[np.floating], *, num_permutations: int = 999, seed: int = 0) -> Drift:
    """Tests whether two sets of vectors come from one distribution; time and memory grow with the square of their number.

    Args:
        earlier: `(N, D)`, at least `MIN_VECTORS` rows, independent of each other.
        later: `(M, D)`, likewise.
        num_permutations: How often the labels are exchanged; the smallest p-value is 1 / (num_permutations + 1).
        seed: Decides the permutations and the folds.

    Raises:
        ValueError: A side has too few vectors.

    Source:
        Gretton et al. 2012, A kernel two-sample test; Lopez-Paz and Oquab 2017, Revisiting classifier two-sample tests.
    """
    if min(len(earlier), len(later)) < MIN_VECTORS:
        raise ValueError(f"{len(earlier)} and {len(later)} vectors: drift needs at least {MIN_VECTORS} on each side")
    vectors = np.concatenate([earlier, later]).astype(np.float64)
    is_later = np.repeat([False, True], [len(earlier), len(later)])
    rng = np.random.default_rng(seed)
    products = _centred(vectors @ vectors.T)
    mmd = _mmds(_gaussian(products), _permuted(is_later, np.zeros(len(vectors), int), num_permutations, rng))
    folds = _folds(is_later, rng)
    auc = _aucs(products, folds, _permuted(is_later, folds, num_permutations, rng))
    return Drift(len(earlier), len(later), _test(mmd), _test(auc))


def one_each(units: Integers, num: int, seed: int = 0) -> Integers:
    """Draws rows of different units.

    Args:
        units: `(N,)`: rows of one number depend on each other.
        num: Rows at most.
        seed: Decides which.

    Returns:
        Indices of the rows, ascending.
    """
    order = np.random.default_rng(seed).permutation(len(units))
    _, first = np.unique(units[order], return_index=True)
    drawn: Integers = np.sort(order[np.sort(first)[:num]])
    return drawn


def _centred(products: Floats) -> Floats:
    """The scalar products `(N, N)` of the vectors less their mean."""
    means = products.mean(0)
    centred: Floats = products - means[:, None] - means[None] + means.mean()
    return centred


def _gaussian(products: Floats) -> Floats:
    """The kernel `(N, N)`: exp(-d² / median d²), from scalar products."""
    lengths = np.diag(products)
    squares = np.maximum(lengths[:, None] + lengths[None] - 2 * products, 0)
    width = np.median(squares[np.triu_indices(len(squares), 1)])
    kernel: Floats = np.exp(-squares / max(width, 1e-12))
    return kernel


def _permuted(is_later: npt.NDArray[np.bool_], folds: Integers, num: int, rng: np.random.Generator) -> Floats:
    """The labels, then permutations of them, `(N, 1 + num)` of 0 and 1; labels are exchanged within a fold only."""
    labels = np.repeat(is_later[:, None].astype(np.float64), 1 + num, axis=1)
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        labels[rows, 1:] = rng.permuted(labels[rows, 1:], axis=0)
    return labels


def _mmds(kernel: Floats, labels: Floats) -> Floats:
    """The unbiased squared discrepancy for each column of labels."""
    kernel = kernel - np.diag(np.diag(kernel))
    later, both = labels[:, 0].sum(), kernel.sum()
    earlier = len(labels) - later
    within = np.einsum("np,np->p", labels, kernel @ labels)
    to_later = kernel.sum(0) @ labels
    across = to_later - within
    mmds: Floats = (
        within / (later * (later - 1)) + (both - within - 2 * across) / (earlier * (earlier - 1)) - 2 * across / (later * earlier)
    )
    return mmds


def _folds(is_later: npt.NDArray[np.bool_], rng: np.random.Generator) -> Integers:
    """A fold `(N,)` for each vector, drawn so that each fold has its share of both sides."""
    folds = np.empty(len(is_later), np.int64)
    for side in (False, True):
        rows = rng.permutation(np.flatnonzero(is_later == side))
        folds[rows] = np.arange(len(rows)) % _NUM_FOLDS
    return folds


def _aucs(products: Floats, folds: Integers, labels: Floats) -> Floats:
    """The AUC of a ridge classifier for each column of labels, the mean of the folds; for each it is fitted anew.

    What it says of the vectors of a fold is linear in the labels of the others, so all columns are one product of matrices.
    """
    products = products + np.diag(products).mean()  # and an intercept
    penalty = _RIDGE * max(np.diag(products).mean(), 1e-12)
    found = []
    for fold in range(_NUM_FOLDS):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        system = products[np.ix_(outside, outside)] + penalty * np.eye(len(outside))
        scores = products[np.ix_(inside, outside)] @ np.linalg.solve(system, 2 * labels[outside] - 1)
        found.append(_auc(scores, labels[inside]))
    aucs: Floats = np.mean(found, axis=0)
    return aucs


def _auc(scores: Floats, labels: Floats) -> Floats:
    """The AUC of each column, from ranks."""
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=0)
    later = labels.sum(0)
    aucs: Floats = ((ranks * labels).sum(0) - later * (later + 1) / 2) / (later * (len(labels) - later))
    return aucs


def _test(values: Floats) -> Test:
    """The test whose permutations' values stand behind its own."""
    return Test(float(values[0]), float((values >= values[0] - 1e-12).mean()))
