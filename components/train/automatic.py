"""What `auto` stands for, decided from counts and sizes alone, so that the same data give the same training."""

import math
import statistics

from components.manifest import Manifest
from components.train.config import OptimizerName

SIDES_PX = (16, 24, 32, 48, 64, 96)
NUM_PRESENTATIONS = 80_000  # how often images are shown in all
EPOCHS = (12, 80)
LEARNING_RATES = {"adam": 1e-3, "adamw": 2e-3, "sgd": 0.05}
FINE_TUNING = 0.2  # share of the learning rate that weights which know something can bear


def side_px(manifest: Manifest) -> int:
    """The smallest side that keeps half of the images whole, at most 96: beyond, time buys more than pixels do."""
    shorter = [min(sides) for sides in zip(manifest.column("width"), manifest.column("height"), strict=True)]
    median = statistics.median(shorter)
    return next((side for side in SIDES_PX if side >= median), SIDES_PX[-1])


def epochs(num_images: int) -> int:
    """As many as show about 80,000 images, 12 at least and 80 at most."""
    return min(max(round(NUM_PRESENTATIONS / num_images), EPOCHS[0]), EPOCHS[1])


def batch_size(num_images: int) -> int:
    """32 for few images, so that an epoch has steps enough; larger ones where there are more."""
    return 32 if num_images < 10_000 else 64 if num_images < 50_000 else 128


def learning_rate(optimizer: OptimizerName, batch: int, *, from_weights: bool) -> float:
    """The optimizer's usual peak at 32 images a batch, with the root of larger batches, lower for pretrained weights."""
    return LEARNING_RATES[optimizer] * math.sqrt(batch / 32) * (FINE_TUNING if from_weights else 1.0)


def warmup_epochs(num_epochs: int) -> float:
    """A tenth of the epochs, at most 5."""
    return min(0.1 * num_epochs, 5.0)


def patience(num_epochs: int) -> int:
    """Half of the epochs, at least 10: with a falling learning rate most of the gain comes late."""
    return max(10, num_epochs // 2)
