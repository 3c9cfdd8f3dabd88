"""From which probability on an answer is given, chosen on the validation images."""

import numpy as np
import numpy.typing as npt

from darkroom.task import Task

Floats = npt.NDArray[np.float64]
NEUTRAL = 0.25  # of the log-odds of a label's share: see `_neutral`, and benchmarks/thresholds.py for what both are worth
ANSWERED = 0.8  # of them, for the share of the images that get the answer
CLEARANCE = 1e-4  # thresholds have 4 digits, and stay between the answers


def tune(task: Task, y_true: npt.NDArray[np.int64], y_score: npt.NDArray[np.floating], prior_images: float) -> tuple[float, ...]:
    """Chooses the thresholds that a model card has.

    Args:
        task: Multilabel gets one a label, binary one for the second class, multiclass none.
        y_true: `(N,)` class indices, or `(N, K)` of 0 and 1.
        y_score: `(N, K)`, 0 to 1.
        prior_images: See `tune_one`.
    """
    values = np.asarray(y_score, np.float64)
    if task == "multilabel":
        return tuple(tune_one(y_true[:, label], values[:, label], prior_images) for label in range(values.shape[1]))
    return (tune_one(y_true, values[:, 1], prior_images),) if task == "binary" else ()


def tune_one(y_true: npt.NDArray[np.int64], y_score: Floats, prior_images: float) -> float:
    """The threshold with the best mean of balanced accuracy and macro F1, drawn towards the neutral one where images are few.

    Balanced accuracy alone gives away precision on rare labels, F1 alone always answers yes on frequent ones. Of
    equally good thresholds the one in the middle (in log-odds) counts. With n images of the rarer answer it moves
    n / (n + prior_images) of the way from the neutral one, in log-odds: the best threshold of two images is mostly chance.

    Args:
        y_true: `(N,)` of 0 and 1.
        y_score: `(N,)`, 0 to 1.
        prior_images: How many images of the rarer answer move the threshold half of the way; 0 moves it the whole way.

    Returns:
        Above 0 and below 1, rounded to 4 digits; 0.5 where only one answer occurs.
    """
    rarer = min(int(y_true.sum()), int((1 - y_true).sum()))
    if rarer == 0:
        return 0.5
    odds = _odds(y_score)
    order = np.unique(odds)
    candidates = np.concatenate([[order[0] - 1], (order[:-1] + order[1:]) / 2, [order[-1] + 1]])
    worth = _worth(odds[y_true == 1], odds[y_true == 0], candidates)
    best = candidates[worth >= worth.max() - 1e-12]
    start = _neutral(float(y_true.mean()), odds)
    drawn = start + rarer / (rarer + prior_images) * (best[len(best) // 2] - start)
    return round(float(np.clip(1 / (1 + np.exp(-drawn)), CLEARANCE, 1 - CLEARANCE)), 4)


def _neutral(share: float, odds: Floats) -> float:
    """The log-odds from which on an answer is given, as far as nothing is known but how often it is right: the mean of two guesses.

    The first believes the model. Losses weigh answers by the inverse root of their share (unless `train.class_balance` is none), so what
    says nothing gets half of the share's log-odds. Half of these again is between the best for balanced accuracy (all of them) and for
    macro F1 (less, the surer answers are). The second believes its order alone, whose probabilities may all be too high or too low: the
    answer is given as often as it is right, or a little nearer to half of the images, for the sake of balanced accuracy.

    Args:
        share: Of the images for which the answer is right, above 0 and below 1.
        odds: The model's log-odds, `(N,)`.
    """
    known = float(np.log(share / (1 - share)))
    answered = 1 / (1 + np.exp(-ANSWERED * known))
    return (NEUTRAL * known + float(np.quantile(odds, 1 - answered))) / 2


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


def _odds(y_score: Floats) -> Floats:
    clipped = np.clip(y_score, 1e-6, 1 - 1e-6)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds
