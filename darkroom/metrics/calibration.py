"""Does a model that says 80 % hit 80 times in 100?"""

from dataclasses import dataclass

import numpy as np

from darkroom.evaluation import Predictions, decisions
from darkroom.metrics.measures import Floats

NUM_BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Answers gathered by how sure the model was, in `NUM_BINS` bins of equal width over 0 to 1.

    Attributes:
        number: `(NUM_BINS,)` answers in a bin.
        confidence: `(NUM_BINS,)` mean probability that the model gave; 0 in an empty bin.
        hit_rate: `(NUM_BINS,)` share of them that came true; 0 in an empty bin.
    """

    number: Floats
    confidence: Floats
    hit_rate: Floats

    def table(self) -> dict[str, list[float]]:
        """The bins as plain lists."""
        return {
            "number": self.number.tolist(),
            "confidence": self.confidence.tolist(),
            "hit_rate": self.hit_rate.tolist(),
        }

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap between confidence and hit rate, 0 to 1."""
        return float((self.number * np.abs(self.confidence - self.hit_rate)).sum() / self.number.sum())


def calibration(predictions: Predictions) -> Calibration:
    """Gathers answers by confidence.

    For binary and multi-label, the probability of the positive class or label against how often it was there; for
    several classes, the probability of the likeliest class against how often it was right.

    Source:
        Guo et al. 2017, On calibration of modern neural networks, https://arxiv.org/abs/1706.04599
    """
    if predictions.task == "multiclass":
        y_score = predictions.y_score.max(1).astype(np.float64)
        y_true = (predictions.y_score.argmax(1) == predictions.y_true).astype(np.float64)
    else:
        y_true, y_score = decisions(predictions)
    bins = np.minimum((y_score * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    number = np.bincount(bins, minlength=NUM_BINS).astype(np.float64)
    filled = np.maximum(number, 1)
    sums = (np.bincount(bins, weights=values, minlength=NUM_BINS) for values in (y_score, y_true))
    confidence, hit_rate = (values / filled for values in sums)
    return Calibration(number, confidence, hit_rate)
