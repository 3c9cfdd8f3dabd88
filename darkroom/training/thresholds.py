"""From which probability on an answer is given, settled on the validation images."""

import numpy as np
import numpy.typing as npt

from darkroom.task import Task

Floats = npt.NDArray[np.float64]
PRIOR_IMAGES = 30.0  # how many images of the rarer answer it takes to move a threshold half of the way from 0.5
CLEARANCE = 1e-4


def tune(task: Task, truth: npt.NDArray[np.int64], probabilities: npt.NDArray[np.floating]) -> tuple[float, ...]:
    """Settles the thresholds that a model card wants.

    Args:
        task: Multilabel gets one a label, binary one for the second class, multiclass none.
        truth: `(N,)` class indices, or `(N, K)` of 0 and 1.
        probabilities: `(N, K)`, 0 to 1.
    """
    values = np.asarray(probabilities, np.float64)
    if task == "multilabel":
        return tuple(tune_one(truth[:, label], values[:, label]) for label in range(values.shape[1]))
    return (tune_one(truth, values[:, 1]),) if task == "binary" else ()


def tune_one(truth: npt.NDArray[np.int64], probabilities: Floats) -> float:
    """The threshold with the best mean of balanced accuracy and macro F1, drawn towards 0.5 where images are few.

    Balanced accuracy alone gives away precision on rare labels, F1 alone always answers yes on frequent ones. Of
    equally good thresholds the one in the middle (in log-odds) counts. With n images of the rarer answer it moves
    n / (n + 30) of the way, in log-odds: a threshold that two images argue for should not be taken at its word.

    Args:
        truth: `(N,)` of 0 and 1.
        probabilities: `(N,)`, 0 to 1.

    Returns:
        Above 0 and below 1, rounded to 4 digits; 0.5 where only one answer occurs.
    """
    rarer = min(int(truth.sum()), int((1 - truth).sum()))
    if rarer == 0:
        return 0.5
    odds = _odds(probabilities)
    order = np.unique(odds)
    candidates = np.concatenate([[order[0] - 1], (order[:-1] + order[1:]) / 2, [order[-1] + 1]])
    worth = _worth(odds[truth == 1], odds[truth == 0], candidates)
    best = candidates[worth >= worth.max() - 1e-12]
    drawn = rarer / (rarer + PRIOR_IMAGES) * best[len(best) // 2]
    return round(float(np.clip(1 / (1 + np.exp(-drawn)), CLEARANCE, 1 - CLEARANCE)), 4)


def _worth(present: Floats, absent: Floats, thresholds: Floats) -> Floats:
    """Mean of balanced accuracy and macro F1 at each threshold, from the scores of both kinds of images."""
    hits = len(present) - np.searchsorted(np.sort(present), thresholds)
    wrong = len(absent) - np.searchsorted(np.sort(absent), thresholds)
    missed, rejected = len(present) - hits, len(absent) - wrong
    balanced = (hits / len(present) + rejected / len(absent)) / 2
    f1 = hits / (hits + (missed + wrong) / 2)
    f1_absent = rejected / (rejected + (missed + wrong) / 2)
    worth: Floats = (balanced + (f1 + f1_absent) / 2) / 2
    return worth


def _odds(probabilities: Floats) -> Floats:
    clipped = np.clip(probabilities, 1e-6, 1 - 1e-6)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds
