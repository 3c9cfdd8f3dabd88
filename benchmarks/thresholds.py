"""What it is worth towards which threshold few images are drawn: mean of balanced accuracy and macro F1, over shares and classifiers.

A label's scores are log-odds of a classifier whose two answers are normally distributed, as a loss with weights by the inverse root of the
share makes them, or of one that is less or more sure of itself. Thresholds are tuned on few images, and judged on the distributions
themselves.

    .venv/bin/python benchmarks/thresholds.py
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from darkroom.training import thresholds
from darkroom.training.thresholds import Floats

SHARES = (0.02, 0.05, 0.1, 0.25, 0.75, 0.9, 0.96, 0.98)
DISTANCES = (1.0, 1.5, 2.0, 3.0)  # of the two answers' means, in standard deviations
SURENESSES = (0.4, 0.7, 1.0, 1.5)  # log-odds that a model gives, as a multiple of the right ones
GUESSES: dict[str, Callable[[float, Floats], float]] = {
    "by the model": lambda share, odds: thresholds.NEUTRAL * _odds(share),
    "by its order": lambda share, odds: float(np.quantile(odds, 1 - _probability(thresholds.ANSWERED * _odds(share)))),
    "both": thresholds._neutral,
}
PRIOR_IMAGES = 30.0


def judged(odds: float, share: float, distance: float, sureness: float) -> tuple[float, float]:
    """Balanced accuracy and the mean F1 of both answers, at a threshold in log-odds."""
    known = (odds - _odds(share) / 2) / sureness
    hits, wrong = norm.sf(known, distance**2 / 2, distance), norm.sf(known, -(distance**2) / 2, distance)
    missed = share * (1 - hits) + (1 - share) * wrong
    f1 = [right / (right + missed / 2) for right in (share * hits, (1 - share) * (1 - wrong))]
    return (hits + 1 - wrong) / 2, sum(f1) / 2


def worth(num_images: int, sureness: float, rounds: int, seed: int) -> np.ndarray:
    """Balanced accuracy and F1 with tuned thresholds, the mean over shares, classifiers and rounds."""
    generator, found = np.random.default_rng(seed), []
    for share in SHARES:
        for distance in DISTANCES:
            for _ in range(rounds):
                y_true = (generator.random(num_images) < share).astype(np.int64)
                mean = np.where(y_true == 1, distance**2 / 2, -(distance**2) / 2)
                odds = sureness * generator.normal(mean, distance) + _odds(share) / 2
                tuned = thresholds.tune_one(y_true, _probability(odds), PRIOR_IMAGES)
                found.append(judged(_odds(tuned), share, distance, sureness))
    means: npt.NDArray[np.float64] = np.mean(found, axis=0)
    return means


def _odds(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def _probability(odds: Any) -> Any:
    return 1 / (1 + np.exp(-odds))


def main() -> None:
    """Prints a line a number of images, a way to guess the neutral threshold, and how sure the model is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=100, help="validation splits drawn for each share and classifier (default 100)")
    rounds = parser.parse_args().rounds
    for num_images in (50, 200):
        for name, guess in GUESSES.items():
            thresholds._neutral = guess  # type: ignore[assignment]
            for sureness in SURENESSES:
                balanced, f1 = worth(num_images, sureness, rounds, 0)
                print(
                    f"{num_images} images, neutral {name}, {sureness:g} times as sure as is right: balanced accuracy {balanced:.4f}, "
                    f"F1 {f1:.4f}, mean {(balanced + f1) / 2:.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
