"""What it is worth towards which threshold few images are drawn: mean of balanced accuracy and macro F1, over shares and classifiers.

A label's scores are log-odds of a classifier whose two answers are normally distributed, as a loss with weights by the inverse root of the
share makes them. Thresholds are tuned on few images, and judged on the distributions themselves.

    .venv/bin/python benchmarks/thresholds.py
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from darkroom.training import thresholds

SHARES = (0.02, 0.05, 0.1, 0.25, 0.75, 0.9, 0.96, 0.98)
DISTANCES = (1.0, 1.5, 2.0, 3.0)  # of the two answers' means, in standard deviations
NEUTRALS = (0.0, 0.125, 0.25, 0.375, 0.5)
PRIOR_IMAGES = 30.0


def judged(odds: float, share: float, distance: float) -> tuple[float, float]:
    """Balanced accuracy and the mean F1 of both answers, at a threshold in log-odds."""
    known = odds - np.log(share / (1 - share)) / 2
    hits, wrong = norm.sf(known, distance**2 / 2, distance), norm.sf(known, -(distance**2) / 2, distance)
    missed = share * (1 - hits) + (1 - share) * wrong
    f1 = [right / (right + missed / 2) for right in (share * hits, (1 - share) * (1 - wrong))]
    return (hits + 1 - wrong) / 2, sum(f1) / 2


def worth(num_images: int, rounds: int, seed: int) -> np.ndarray:
    """Balanced accuracy and F1 with tuned thresholds, the mean over shares, classifiers and rounds."""
    generator, found = np.random.default_rng(seed), []
    for share in SHARES:
        for distance in DISTANCES:
            for _ in range(rounds):
                y_true = (generator.random(num_images) < share).astype(np.int64)
                mean = np.where(y_true == 1, distance**2 / 2, -(distance**2) / 2)
                odds = generator.normal(mean, distance) + np.log(share / (1 - share)) / 2
                tuned = thresholds.tune_one(y_true, 1 / (1 + np.exp(-odds)), PRIOR_IMAGES)
                found.append(judged(float(np.log(tuned / (1 - tuned))), share, distance))
    return np.mean(found, axis=0)


def main() -> None:
    """Prints a line a number of images and a neutral threshold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=100, help="validation splits drawn for each share and classifier (default 100)")
    rounds = parser.parse_args().rounds
    for num_images in (50, 200):
        for thresholds.NEUTRAL in NEUTRALS:
            balanced, f1 = worth(num_images, rounds, 0)
            print(
                f"{num_images} images, neutral at {thresholds.NEUTRAL:g} of the share's log-odds: balanced accuracy {balanced:.4f}, "
                f"F1 {f1:.4f}, mean {(balanced + f1) / 2:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
