"""Which labels are wrong, by confident learning on predictions of models that have not seen the images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darkroom.label_errors.noise import wrong_probabilities
from darkroom.training.linear import Floats

_FILTER = "prune_by_noise_rate"  # as many of each confusion as the confident joint says, the least likely labels first


@dataclass(frozen=True)
class LabelErrors:
    """What is thought of each image's labels.

    Attributes:
        scores: `(N,) float64`, 0 to 1, higher is worse. Of one label an image: the probability of the likeliest other label, as a
            share of its sum with the given one's, so that above 0.5 another label is likelier. Of several: the probability that
            the least likely of the answers, one a label, is wrong.
        found: `(N,) bool`: which labels are wrong by confident learning, and likely enough to be so.
        proposed: `(N, K) bool`: the labels that each image should have; those that it has where nothing is found.
        informed: Whether the predictions say more about any label than its share does; of the others nothing is found.
    """

    scores: npt.NDArray[np.float64]
    found: npt.NDArray[np.bool_]
    proposed: npt.NDArray[np.bool_]
    informed: bool


def find_label_errors(probabilities: Floats, targets: npt.NDArray[np.int64], min_probability: float = 0.0) -> LabelErrors:
    """Finds labels that are likely to be wrong.

    Args:
        probabilities: `(N, K) float32`, see `out_of_fold`.
        targets: `(N,) int64` classes, all of which occur, or `(N, K) int64` of 0 and 1.
        min_probability: That a label is wrong, below which nothing is found, see `wrong_probabilities`.

    Source: Northcutt, Jiang, Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels".
    """
    return (_of_classes if targets.ndim == 1 else _of_labels)(probabilities, targets, min_probability)


def _of_classes(probabilities: Floats, targets: npt.NDArray[np.int64], min_probability: float) -> LabelErrors:
    rows = np.arange(len(targets))
    exact = probabilities.astype(np.float64)
    given = exact[rows, targets]
    exact[rows, targets] = -1.0
    other, largest = exact.argmax(1), exact.max(1)
    informed = _says_more(given, np.bincount(targets)[targets] / len(targets))
    found = _wrong(probabilities, targets, min_probability) & informed
    proposed = np.zeros(probabilities.shape, bool)
    proposed[rows, np.where(found, other, targets)] = True
    return LabelErrors(largest / (largest + given), found, proposed, informed)


def _of_labels(probabilities: Floats, targets: npt.NDArray[np.int64], min_probability: float) -> LabelErrors:
    """Each label against its absence."""
    exact = probabilities.astype(np.float64)
    wrong = np.where(targets > 0, 1 - exact, exact)
    both = np.stack([1 - probabilities, probabilities], axis=2)
    labels, shares = range(targets.shape[1]), np.where(targets > 0, targets.mean(0), 1 - targets.mean(0))
    informed = [_says_more(1 - wrong[:, label], shares[:, label]) for label in labels]
    found = np.stack([_wrong(both[:, label], targets[:, label], min_probability) & informed[label] for label in labels], axis=1)
    return LabelErrors(wrong.max(1), found.max(1), (targets > 0) ^ found, any(informed))


def _wrong(probabilities: Floats, targets: npt.NDArray[np.int64], min_probability: float) -> npt.NDArray[np.bool_]:
    """Which labels are wrong, `(N,) bool`."""
    from cleanlab.filter import find_label_issues  # takes a second to import

    found: npt.NDArray[np.bool_] = find_label_issues(targets, probabilities, filter_by=_FILTER, n_jobs=1)
    return found & (wrong_probabilities(probabilities, targets) >= min_probability) if found.any() and min_probability > 0 else found


def _says_more(given: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> bool:
    """Whether predictions have a lower loss than the answer's shares, by the probability that each gives what is given."""
    return bool(np.log(given).mean() > np.log(shares).mean())
