"""Paired tests: two models have answered the same images, so only the images on which they differ count."""

import numpy as np
from scipy.stats import binomtest

from darkroom.metrics.intervals import QUANTILES, wilson
from darkroom.metrics.measures import Floats


def mcnemar(num_won: int, num_lost: int) -> float:
    """How often two equally good models differ so much, either way, on the images that only one answers rightly.

    Args:
        num_won: Images that only the first answered rightly.
        num_lost: Images that only the second did.

    Returns:
        The exact two-sided p-value, 0 to 1.

    Source:
        McNemar 1947, Note on the sampling error of the difference between correlated proportions; the exact binomial form.
    """
    return float(binomtest(num_won, num_won + num_lost).pvalue) if num_won + num_lost else 1.0


def mcnemar_loss(num_won: int, num_lost: int) -> float:
    """The same one-sided: how often an equally good model loses at least so many."""
    return float(binomtest(num_lost, num_won + num_lost, alternative="greater").pvalue) if num_won + num_lost else 1.0


def share_interval(num_won: int, num_lost: int, num_both: int, num_images: int) -> tuple[float, float]:
    """95 % limits of the difference of two shares of the same images.

    Args:
        num_won: Images that only the first answered rightly.
        num_lost: Images that only the second did.
        num_both: Images that both did.
        num_images: All.

    Source:
        Newcombe 1998, Improved confidence intervals for the difference between binomial proportions based on paired data,
        method 10.
    """
    counts = num_both + num_won, num_both + num_lost
    first, second = (count / num_images for count in counts)
    limits = [wilson(count, num_images) for count in counts]
    below, above = (first - limits[0][0], limits[0][1] - first), (second - limits[1][0], limits[1][1] - second)
    tied = _correlation(num_both, num_won, num_lost, num_images - num_both - num_won - num_lost)
    low = below[0] ** 2 - 2 * tied * below[0] * above[1] + above[1] ** 2
    high = below[1] ** 2 - 2 * tied * below[1] * above[0] + above[0] ** 2
    return max(-1.0, first - second - low**0.5), min(1.0, first - second + high**0.5)


def _correlation(both: int, won: int, lost: int, none: int) -> float:
    """How much two models' right answers go together, corrected towards 0 as Newcombe does."""
    margins = (both + won) * (lost + none) * (both + lost) * (won + none)
    if margins == 0:
        return 0.0
    product = float(both * none - won * lost)
    if product > 0:
        product = max(product - (both + won + lost + none) / 2, 0.0)
    return float(product / margins**0.5)


def bootstrap_test(gains: Floats) -> tuple[float, float, float]:
    """Limits and p-value from the gains on resampled test sets.

    Args:
        gains: `(S,)` finite.

    Returns:
        The limits of the 95 % interval, and twice the share of the test sets on which the sign is the other one (or none),
        at most 1: it is below 0.05 where the interval leaves out 0.

    Source:
        Efron and Tibshirani 1993, An introduction to the bootstrap, sections 13.3 and 15.4; Davison and Hinkley 1997,
        Bootstrap methods and their application, section 4.2, for the 1 that is added.
    """
    low, high = np.quantile(gains, QUANTILES)
    tail = min(int((gains <= 0).sum()), int((gains >= 0).sum()))
    return float(low), float(high), min(1.0, 2 * (1 + tail) / (1 + len(gains)))
