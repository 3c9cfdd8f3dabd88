"""What `auto` means, computed from counts, sizes and the user's limits, so that the same data give the same training."""

import dataclasses
import math
import statistics

from darkroom.manifest import Manifest
from darkroom.training.hyperparameters import OptimizerName

SIDES_PX = (16, 32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512)  # multiples of 16: networks halve a side several times
LEARNING_RATES = {"adam": 1e-3, "adamw": 2e-3, "sgd": 0.05}  # the optimizers' usual peaks; a user sets train.learning_rate


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much training `auto` may ask for; the settings of `train` that begin with `auto_`, see `TrainConfig`."""

    base_side_px: int
    max_side_px: int
    min_presentations: int
    max_presentations: int
    min_epochs: int
    max_epochs: int


def side_px(manifest: Manifest, budget: Budget) -> int:
    """The smallest side that at least half of the images don't exceed, as far as the budget allows it.

    Above the base side only where there are so few images that each is still shown `min_presentations` times: small things
    in few pictures need pixels (blood platelets of 15 in 480), many pictures need time.

    Args:
        manifest: The training images.
        budget: Limits of the side, and how many images are shown.
    """
    shorter = [min(sides) for sides in zip(manifest.column("width"), manifest.column("height"), strict=True)]
    median = statistics.median(shorter)
    sides = [side for side in SIDES_PX if side <= budget.max_side_px]
    wanted = next((side for side in sides if side >= median), sides[-1])
    enough = budget.min_presentations
    affordable = [side for side in sides if side <= budget.base_side_px or presentations(side, budget) / len(shorter) >= enough]
    return min(wanted, affordable[-1])


def presentations(side: int, budget: Budget) -> float:
    """How many images of a side are shown in all: fewer where each takes longer."""
    return budget.max_presentations * min(1.0, (budget.base_side_px / side) ** 2)


def epochs(num_images: int, side: int, budget: Budget) -> int:
    """As many as the budget's presentations give each image, within its limits; the upper one wins where they cross."""
    return min(max(round(presentations(side, budget) / num_images), budget.min_epochs), budget.max_epochs)


def batch_size(num_images: int) -> int:
    """32 for few images, so that an epoch has enough steps; larger ones where there are more."""
    return 32 if num_images < 10_000 else 64 if num_images < 50_000 else 128


def learning_rate(optimizer: OptimizerName, batch: int, share: float) -> float:
    """The optimizer's usual peak at 32 images a batch, times the root of what larger batches have more, times a share of it."""
    return LEARNING_RATES[optimizer] * math.sqrt(batch / 32) * share


def warmup_epochs(num_epochs: int) -> float:
    """A tenth of the epochs, at most 5."""
    return min(0.1 * num_epochs, 5.0)


def patience(num_epochs: int) -> int:
    """Half of the epochs, at least 10: with a falling learning rate most of the gain comes late."""
    return max(10, num_epochs // 2)
