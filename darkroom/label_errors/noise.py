"""How likely each label is to be wrong: either the models' answer holds, or somebody slipped, and how often people slip is estimated."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from darkroom.training.linear import Floats

_LEAST_SHARE, _MAX_SHARE = 0.03, 0.5  # of wrong labels; people find 3.3 % in the test sets of ten benchmarks, see Source
_MAX_LOG_SHARPNESS = 2.0  # of the models' answers, in either direction
_EVIDENCE = 1.92  # log-likelihood that another share than the least has to gain: half of the 95 % point of chi-squared with one degree

_Exact = npt.NDArray[np.float64]


def wrong_probabilities(probabilities: Floats, targets: npt.NDArray[np.int64]) -> _Exact:
    """The probability that each label is wrong.

    A label is drawn from the models' answer, or, as often as labels are wrong, is any of the others. That share and how sharp the answers
    are where labels are right fit the given labels best: where things of two classes look alike, models are unsure, and that is not noise.
    Models that know little fit either explanation alike: the share is the least, unless another fits significantly better.

    Args:
        probabilities: `(N, K) float32`, above 0, of models that have not seen the images.
        targets: `(N,) int64`: the given labels.

    Source: Northcutt, Athalye, Mueller: Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks, 2021.
    """
    logs, rows = np.log(probabilities.astype(np.float64)), np.arange(len(targets))

    def parts(values: _Exact) -> tuple[_Exact, _Exact]:
        sharper = logs * np.exp(values[0])
        sharper = np.exp(sharper - sharper.max(1, keepdims=True))
        right = sharper[rows, targets] / sharper.sum(1)
        return (1 - values[1]) * right, values[1] * (1 - right) / (logs.shape[1] - 1)

    def fitted(most: float) -> tuple[float, _Exact]:
        bounds = [(-_MAX_LOG_SHARPNESS, _MAX_LOG_SHARPNESS), (_LEAST_SHARE, most)]
        start = [0.0, min(0.1, most)]
        found = minimize(lambda values: -np.log(sum(parts(values)) + 1e-12).mean(), start, method="L-BFGS-B", bounds=bounds)
        return len(targets) * found.fun, found.x

    (least, usual), (best, other) = fitted(_LEAST_SHARE), fitted(_MAX_SHARE)
    right, wrong = parts(other if least - best > _EVIDENCE else usual)
    found: _Exact = wrong / (right + wrong)
    return found
