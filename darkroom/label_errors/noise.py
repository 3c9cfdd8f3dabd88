"""How likely each label is to be wrong: either the models' answer holds, or somebody slipped, and how often people slip is estimated."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from darkroom.training.linear import Floats

_LEAST_SHARE, _MAX_SHARE = 0.03, 0.5  # of wrong labels; people find 3.3 % in the test sets of ten benchmarks, see Source
_MAX_LOG_SHARPNESS = 2.0  # of the models' answers, in either direction

_Exact = npt.NDArray[np.float64]


def wrong_probabilities(probabilities: Floats, targets: npt.NDArray[np.int64]) -> _Exact:
    """The probability that each label is wrong.

    A label is drawn from the models' answer, or, as often as labels are wrong, is any of the others. That share and how sharp the answers
    are where labels are right fit the given labels best: where things of two classes look alike, models are unsure, and that is not noise.

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

    bounds = [(-_MAX_LOG_SHARPNESS, _MAX_LOG_SHARPNESS), (_LEAST_SHARE, _MAX_SHARE)]
    best = minimize(lambda values: -np.log(sum(parts(values)) + 1e-12).mean(), [0.0, 0.1], method="L-BFGS-B", bounds=bounds).x
    right, wrong = parts(best)
    found: _Exact = wrong / (right + wrong)
    return found
