"""What `auto` means, computed from counts, sizes, modes and the user's limits, so that the same data give the same training."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping

from darkroom.manifest import Manifest
from darkroom.networks.architectures import AUTO, canonical
from darkroom.training.hyperparameters import Effort, LossName, OptimizerName

_GREY_MODES = {"1", "L", "LA", "La", "I", "F"}  # Pillow's, before what some say of their bits
SIDES_PX = (16, 32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512)  # multiples of 16: networks halve a side several times
LEARNT_PX = 224  # side of the images that most pretrained networks have learnt from
EFFORTS: Mapping[Effort, float] = {"quick": 0.25, "standard": 1.0, "thorough": 8.0}
HEAD_RATE_FACTOR = 10.0  # a last layer of random weights has all to learn, a pretrained trunk nearly nothing
WITHOUT_BATCH_NORM = 0.1  # transformers and ConvNeXt are fine-tuned at a tenth of the rates of other networks
MANY = 10_000  # images from which on fine-tuning shows each less often: pixels are worth more than repetition
KEPT_SHARE = 1 / 3  # of a training's multiply-adds, which views that are kept take at most
PASSES = 3  # a training step takes about three times the multiply-adds of a prediction: forward, and backward twice
LEARNING_RATES = {"adam": 1e-3, "adamw": 2e-3, "sgd": 0.05, "muon": 2e-3}  # the optimizers' usual peaks; a user sets train.learning_rate


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much training `auto` may ask for; the settings of `train` that begin with `auto_`, see `TrainConfig`."""

    base_side_px: int
    max_side_px: int
    min_presentations: int
    max_presentations: int
    min_epochs: int
    max_epochs: int
    macs: float
    pretrained_min_side_px: int
    pretrained_max_side_px: int
    pretrained_enlarging: float
    pretrained_min_epochs: float
    pretrained_max_epochs: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """What fine-tuning takes, in multiply-adds of a prediction.

    Attributes:
        frozen: Of an image's way through the layers that never learn.
        learning: Of its way through the others.
        kept_views: For so many views of each image the frozen layers are computed once; 0: each time that an image is shown.
    """

    frozen: float
    learning: float
    kept_views: int = 0

    def epochs(self, macs: float) -> float:
        """How often an image can be shown for so many multiply-adds."""
        shown = macs / (self.frozen + PASSES * self.learning)
        if not 0 < self.kept_views < shown:
            return shown
        return (macs - self.kept_views * self.frozen) / (PASSES * self.learning)


def scaled(budget: Budget, effort: float) -> Budget:
    """A budget times an effort; the limits of the side stay."""
    return dataclasses.replace(
        budget,
        macs=budget.macs * effort,
        max_presentations=max(1, round(budget.max_presentations * effort)),
        max_epochs=max(1, round(budget.max_epochs * effort)),
        pretrained_max_epochs=max(1, round(budget.pretrained_max_epochs * effort)),
    )


def median_side_px(manifest: Manifest) -> float:
    """The median of the images' shorter sides."""
    return float(statistics.median(min(sides) for sides in zip(manifest.column("width"), manifest.column("height"), strict=True)))


def is_grey(manifest: Manifest) -> bool:
    """Whether more than half of the files are grey by their own account; not where nothing is known of them."""
    modes = manifest.column("image_mode") if "image_mode" in manifest.table.column_names else []
    return sum((mode or "").partition(";")[0] in _GREY_MODES for mode in modes) > len(modes) / 2


def architecture(training: Manifest, model: str, photo_side_px: int, grey_photo_side_px: int) -> tuple[str, str]:
    """What is trained, as a model's card has it, and why, if `auto` chose it.

    Args:
        training: The rows of the training split.
        model: A network's name, or `auto`.
        photo_side_px: Median shorter side from which `auto` takes a network that has seen photographs.
        grey_photo_side_px: The same of grey images.

    Raises:
        InputError: There is no such network.
    """
    if model != AUTO:
        return canonical(model), ""
    side, grey = median_side_px(training), "grey and " if is_grey(training) else ""
    if side >= (grey_photo_side_px if grey else photo_side_px):
        return canonical("lite0"), f"lite0 with ImageNet weights, as half of the images have a shorter side of {side:.0f} px or more"
    return "small_cnn", f"small_cnn from random weights, as images are {grey}small: half have a shorter side of {side:.0f} px or less"


def sides_up_to(median: float, least: int, largest: int) -> list[int]:
    """Sides within limits, ascending, up to the first that at least half of the images don't exceed.

    Args:
        median: Of the images' shorter sides.
        least: Smallest side; is always one of them.
        largest: Largest side.
    """
    sides = [side for side in SIDES_PX if least <= side <= largest] or [least]
    wanted = next((side for side in sides if side >= median), sides[-1])
    return [side for side in sides if side <= wanted]


def enlarged(side: float, times: float) -> float:
    """A side of small images for a pretrained network: up to that at which most have learnt, as they know things by so many pixels.

    Args:
        side: Of the images.
        times: By which it grows at most.
    """
    return max(side, min(times * side, LEARNT_PX))


def pretrained_sides(median: float, budget: Budget) -> list[int]:
    """The sides that a pretrained network may see, ascending; small images are enlarged.

    Args:
        median: Of the images' shorter sides.
        budget: Limits of the side.
    """
    return sides_up_to(enlarged(median, budget.pretrained_enlarging), budget.pretrained_min_side_px, budget.pretrained_max_side_px)


def pretrained_side_px(manifest: Manifest, cost: Callable[[int], Cost], budget: Budget) -> int:
    """The largest side at which the multiply-adds still show each image often enough.

    Args:
        manifest: The training images.
        cost: Of one image by its side.
        budget: Limits of the side, and the multiply-adds.
    """
    sides = pretrained_sides(median_side_px(manifest), budget)
    num_images, enough = len(manifest), enough_epochs(len(manifest), budget)
    affordable = [side for side in sides if cost(side).epochs(budget.macs / num_images) >= enough]
    return affordable[-1] if affordable else sides[0]


def enough_epochs(num_images: int, budget: Budget) -> float:
    """How often fine-tuning has to show each image before a larger side is worth more: less often where there are many."""
    return budget.pretrained_min_epochs * min(1.0, max(0.5, MANY / num_images))


def pretrained_epochs(num_images: int, cost: Cost, budget: Budget) -> int:
    """As many as the budget's multiply-adds allow, at least 1.

    Args:
        num_images: Training images.
        cost: Of one image.
        budget: The multiply-adds, and the most epochs.
    """
    return min(max(1, round(cost.epochs(budget.macs / num_images))), budget.pretrained_max_epochs)


def side_px(manifest: Manifest, budget: Budget) -> int:
    """The smallest side that at least half of the images don't exceed, as far as the budget allows it.

    Above the base side only where there are so few images that each is still shown `min_presentations` times: small things
    in few pictures need pixels (blood platelets of 15 in 480), many pictures need time.

    Args:
        manifest: The training images.
        budget: Limits of the side, and how many images are shown.
    """
    sides, enough = sides_up_to(median_side_px(manifest), SIDES_PX[0], budget.max_side_px), budget.min_presentations
    return [side for side in sides if side <= budget.base_side_px or presentations(side, budget) / len(manifest) >= enough][-1]


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


def loss_gamma(loss: LossName) -> float:
    """What the papers on the asymmetric and on the focal loss take."""
    return 4.0 if loss == "asymmetric" else 2.0


def warmup_epochs(num_epochs: int) -> float:
    """A tenth of the epochs, at most 5."""
    return min(0.1 * num_epochs, 5.0)


def patience(num_epochs: int) -> int:
    """Half of the epochs, at least 10: with a falling learning rate most of the gain comes late."""
    return max(10, num_epochs // 2)
