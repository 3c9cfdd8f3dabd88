"""How long a model takes for one image: measured, on this machine; two models in one run."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from darkroom.model import Predictor

Image = npt.NDArray[np.uint8]
NUM_WARMUP = 10
MIN_SLICE_S = 0.02  # how long a model runs before the other one does


@dataclass(frozen=True)
class Latency:
    """Median times for one image, in milliseconds.

    Attributes:
        before_ms: Of the full model.
        after_ms: Of the pruned model.
    """

    before_ms: float
    after_ms: float

    @property
    def ratio(self) -> float:
        """The pruned model's time as a share of the full model's."""
        return self.after_ms / self.before_ms


def compare_latency(full: Path, pruned: Path, *, num_rounds: int, num_threads: int) -> Latency:
    """Times two models alternately, A B A B, so that whatever else the machine does falls on both.

    Args:
        full: A model's folder.
        pruned: Another one; each is timed on an image of its own size.
        num_rounds: How often each model runs, for 20 ms or one image, whichever is longer.
        num_threads: Threads a prediction may use.

    Returns:
        The median over all images of all rounds.
    """
    models = [Predictor(folder, num_threads) for folder in (full, pruned)]
    images = [_warmed_up(model) for model in models]
    times: tuple[list[int], list[int]] = ([], [])
    for _ in range(num_rounds):
        for model, image, kept in zip(models, images, times, strict=True):
            kept.extend(_time_round(model, image))
    before, after = (float(np.median(kept)) / 1e6 for kept in times)
    return Latency(before, after)


def measure_latency(model: Predictor, *, num_rounds: int) -> float:
    """The median time of one model for one image, in milliseconds.

    Args:
        model: The model; is timed on an image of its own size.
        num_rounds: How often it runs, for 20 ms or one image, whichever is longer.
    """
    image = _warmed_up(model)
    return float(np.median([taken for _ in range(num_rounds) for taken in _time_round(model, image)])) / 1e6


def _warmed_up(model: Predictor) -> Image:
    """An image of a model's size, which it has answered some times."""
    side = model.card.side_px
    image = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    for _ in range(NUM_WARMUP):
        model.probabilities(image)
    return image


def _time_round(model: Predictor, image: Image) -> list[int]:
    """Nanoseconds of each image in one round."""
    kept: list[int] = []
    while sum(kept) < MIN_SLICE_S * 1e9:
        start = time.perf_counter_ns()
        model.probabilities(image)
        kept.append(time.perf_counter_ns() - start)
    return kept
