"""How likely each label is to be wrong: either the models' answer holds, or somebody slipped, and how often people slip is estimated."""

import numpy as np
import numpy.typing as npt

from darkroom.training.linear import Floats

_LEAST_SHARE, _MAX_SHARE = 0.025, 0.5  # of wrong labels; people find 3.3 % in the test sets of ten benchmarks, see Source
_FURTHER_SHARE = 0.025  # by which a share is above the least on average, before the given labels are seen
_SHARES = np.geomspace(_LEAST_SHARE, _MAX_SHARE, 25)
_SHARPNESSES = np.exp(np.linspace(-2.0, 2.0, 41))  # of the models' answers, in either direction
_NEGLIGIBLE = 1e-4  # probability of a share and a sharpness together

_Exact = npt.NDArray[np.float64]


def wrong_probabilities(probabilities: Floats, targets: npt.NDArray[np.int64]) -> _Exact:
    """The probability that each label is wrong.

    A label is drawn from the models' answer, or, as often as labels are wrong, is any of the others. Where things of two classes look
    alike, models are unsure, and that is not noise. So the given labels tell that share and how sharp the answers are where labels are
    right; of two classes they may fit many shares alike. Each pair of them counts by how well it fits the labels and by how rare its share
    is: few wrong labels are usual, many are believed only of models that know much.

    Args:
        probabilities: `(N, K) float32`, above 0, of models that have not seen the images.
        targets: `(N,) int64`: the given labels.

    Source: Northcutt, Athalye, Mueller: Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks, 2021.
    """
    logs, rows = np.log(probabilities.astype(np.float64)), np.arange(len(targets))

    def right(sharpness: float) -> _Exact:
        sharper = logs * sharpness
        sharper = np.exp(sharper - sharper.max(1, keepdims=True))
        found: _Exact = sharper[rows, targets] / sharper.sum(1)
        return found

    def parts(given: _Exact, share: float) -> tuple[_Exact, _Exact]:
        return (1 - share) * given, share * (1 - given) / (logs.shape[1] - 1)

    prior = np.log(np.gradient(_SHARES)) - _SHARES / _FURTHER_SHARE
    fits = [[np.log(sum(parts(given, share)) + 1e-12).sum() for share in _SHARES] for given in map(right, _SHARPNESSES)] + prior
    weights = np.exp(fits - fits.max())
    weights /= weights.sum()
    weights[weights < _NEGLIGIBLE] = 0
    weights /= weights.sum()
    found = np.zeros(len(targets))
    for place in np.flatnonzero(weights.any(1)).tolist():
        given = right(_SHARPNESSES[place])
        for share, weight in zip(_SHARES, weights[place], strict=True):
            if weight > 0:
                holds, slipped = parts(given, share)
                found += weight * slipped / (holds + slipped)
    return found
