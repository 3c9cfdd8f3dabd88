"""What `auto` stands for, decided from counts and sizes alone, so that the same data give the same training."""

import math
import statistics

from darkroom.manifest import Manifest
from darkroom.training.hyperparameters import OptimizerName

SIDES_PX = (16, 32, 64, 96, 128, 160)
USUAL_SIDE_PX = 64  # on two processors, photographs gain more from being seen again than from more pixels
NUM_PRESENTATIONS = 160_000  # how often images of at most the usual side are shown in all
EPOCHS = (8, 100)
ENOUGH_EPOCHS = 80  # a larger side may not cost more than it leaves
LEARNING_RATES = {"adam": 1e-3, "adamw": 2e-3, "sgd": 0.05}
FINE_TUNING = 0.2  # share of the learning rate that weights which know something can bear


def side_px(manifest: Manifest) -> int:
    """The smallest side that keeps half of the images whole, as far as it can be afforded.

    Above 64 only where there are so few images that they are still seen 80 times: small things in few pictures want
    pixels (blood platelets of 15 in 480), many pictures want time.

    Args:
        manifest: The training images.
    """
    shorter = [min(sides) for sides in zip(manifest.column("width"), manifest.column("height"), strict=True)]
    median = statistics.median(shorter)
    wanted = next((side for side in SIDES_PX if side >= median), SIDES_PX[-1])
    affordable = [side for side in SIDES_PX if side <= USUAL_SIDE_PX or presentations(side) / len(shorter) >= ENOUGH_EPOCHS]
    return min(wanted, affordable[-1])


def presentations(side: int) -> float:
    """How many images of a side are shown in all: fewer where each takes longer."""
    return NUM_PRESENTATIONS * min(1.0, (USUAL_SIDE_PX / side) ** 2)


def epochs(num_images: int, side: int) -> int:
    """As many as show 160,000 images of up to 64 px, or fewer larger ones; 8 at least and 100 at most."""
    return min(max(round(presentations(side) / num_images), EPOCHS[0]), EPOCHS[1])


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
