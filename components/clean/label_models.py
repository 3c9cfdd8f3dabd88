"""The models that judge labels: linear ones on what is known of the images, and with them, where it is asked for, small networks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.optimize import minimize_scalar

from components.clean.config import CleanConfig
from darkroom.embeddings import Embeddings
from darkroom.images import Images
from darkroom.label_errors.features import label_features
from darkroom.label_errors.out_of_fold import out_of_fold
from darkroom.manifest import Manifest
from darkroom.networks.architectures import HANDCRAFTED
from darkroom.training.defaults import median_side_px, sides_up_to
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.linear import Floats, one_hot
from darkroom.units import Integers

_MIN_SIDE_PX, _MIN_EPOCHS, _MAX_EPOCHS = 16, 8, 100  # of the networks
_PRETRAINED = "lite0"


@dataclass(frozen=True)
class Judges:
    """What labels are judged by.

    Attributes:
        images: The packed images, or none: then there are only linear models on the embeddings.
        embeddings: Of these images.
        config: Which models.
        checkpoints: A folder for unfinished networks, or none.
        on_epoch: Called after each epoch of a network.
        store: A folder in which vectors of enlarged pictures are kept from run to run, or none.
    """

    images: Images | None
    embeddings: Embeddings
    config: CleanConfig
    checkpoints: Path | None = None
    on_epoch: OnEpoch = nothing
    store: Path | None = None


@dataclass(frozen=True)
class Predictor:
    """Out-of-fold predictions of images, which can be had without what is doubted in the linear models' examples.

    Attributes:
        features: `(N, D) float32`: what the linear models see.
        wanted: `(N, K) float32`: the given labels.
        folds: `(N,) int64`.
        exclusive: Every image has exactly one label.
        networks: Trains networks without the images that are doubted, `(N,) bool`, and gives their probabilities of images that they have
            not seen, `(N, K) float32`; or none.
        told: What was computed, a sentence each.
    """

    features: Floats
    wanted: Floats
    folds: Integers
    exclusive: bool
    networks: Callable[[npt.NDArray[np.bool_]], Floats] | None
    told: list[str]

    def __call__(self, doubted: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Probabilities, `(N, K) float32`: those of linear models, and once it is known what is doubted, these pooled with the networks'.

        Args:
            doubted: `(N,) bool`: images that the models don't learn from; none in the first round.
        """
        linear = out_of_fold(self.features, self.wanted, self.folds, exclusive=self.exclusive, doubted=doubted)
        if self.networks is None or doubted is None:
            return linear
        return pooled(linear, self.networks(doubted), self.wanted, exclusive=self.exclusive)


def pooled(one: Floats, other: Floats, wanted: Floats, *, exclusive: bool) -> Floats:
    """Joins two models' probabilities by a weighted geometric mean, whose weights fit the given labels best.

    Args:
        one: `(N, K) float32`, of a model that has not seen the images; never 0 or 1.
        other: The same, of another.
        wanted: `(N, K) float32` of 0 and 1: the given labels.
        exclusive: Every image has exactly one label.

    Source: Genest and Zidek 1986, "Combining Probability Distributions", for logarithmic opinion pools.
    """

    def mixed(share: float) -> Floats:
        holds = one ** np.float32(1 - share) * other ** np.float32(share)
        rest = (1 - one) ** np.float32(1 - share) * (1 - other) ** np.float32(share)
        found: Floats = holds / (holds.sum(1, keepdims=True) if exclusive else holds + rest)
        return found

    def loss(share: float) -> float:
        found = mixed(share)
        each = wanted * np.log(found) + (0 if exclusive else (1 - wanted) * np.log(1 - found))
        return -float(each.mean())

    return mixed(float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x))


def make_predictor(judges: Judges, kept: Manifest, rows: Integers, targets: Integers, folds: Integers) -> Predictor:
    """Computes what the models see, and trains the networks if they are asked for.

    Args:
        judges: The models.
        kept: All images.
        rows: `(N,)`: of those that are judged.
        targets: `(N,)` or `(N, K)`: their labels.
        folds: `(N,)`: which are predicted together; what is tied is in one fold.

    Raises:
        InputError: The networks can't be trained on so few images.
    """
    names, told = kept.table["image_id"].take(pa.array(rows)).to_pylist(), list[str]()
    wanted = one_hot(targets, int(targets.max(initial=0)) + 1)
    enlarged = _enlarged(judges, kept, names, told)
    is_joined = judges.config.label_model == "network" and judges.images is not None
    networks = partial(_networks, judges, kept, rows, targets, folds, told) if is_joined else None
    return Predictor(label_features(judges.embeddings, names, enlarged), wanted, folds, targets.ndim == 1, networks, told)


def _enlarged(judges: Judges, kept: Manifest, names: list[str], told: list[str]) -> npt.NDArray[np.float16] | None:
    """Vectors by a pretrained network of images for which `embed` has taken hand-made features, if they are wanted."""
    config = judges.config
    if judges.images is None or config.label_vectors == "off" or judges.embeddings.origin.backbone != HANDCRAFTED:
        return None
    few_or_tiny = len(names) < config.label_min_images or median_side_px(kept) < config.label_min_side_px
    if config.label_vectors == "auto" and few_or_tiny:
        return None
    from darkroom.label_errors.enlarged import enlarged_vectors  # loads torch's and timm's networks

    started = time.monotonic()
    found, damage = enlarged_vectors(judges.images, judges.embeddings, names, _PRETRAINED, config.label_side_px, judges.store)
    print(f"vectors of {_PRETRAINED} for {len(names):,} images took {time.monotonic() - started:,.0f} s", flush=True)
    told += [f"labels are judged with vectors of {_PRETRAINED} at {config.label_side_px} px, beside the hand-made features", *damage]
    return found


def _networks(
    judges: Judges, kept: Manifest, rows: Integers, targets: Integers, folds: Integers, told: list[str], doubted: npt.NDArray[np.bool_]
) -> Floats:
    """Probabilities by a network a fold."""
    assert judges.images is not None
    import torch

    from darkroom.label_errors.fold_networks import ARCHITECTURE, networks_out_of_fold
    from darkroom.preprocessing.recipe import Recipe
    from darkroom.training.decoded import ImageFiles
    from darkroom.training.examples import decoded

    config, started = judges.config, time.monotonic()
    side_px = sides_up_to(median_side_px(kept), _MIN_SIDE_PX, max(_MIN_SIDE_PX, config.label_network_side_px))[-1]
    num_learnt = round(int((~doubted).sum()) * (1 - 1 / config.label_folds))
    affordable = min(max(round(config.label_presentations / max(1, num_learnt)), _MIN_EPOCHS), _MAX_EPOCHS)
    epochs = affordable if config.label_epochs == "auto" else config.label_epochs
    names, paths = (kept.table[name].take(pa.array(rows)).to_pylist() for name in ("image_id", "path"))
    given = torch.from_numpy(targets if targets.ndim == 1 else targets.astype(np.float32))
    num_labels = targets.shape[1] if targets.ndim == 2 else int(targets.max()) + 1
    found = networks_out_of_fold(
        decoded(ImageFiles(judges.images, names, paths, Recipe(side_px)), given), folds, num_labels,
        epochs=epochs, seed=config.seed, doubted=doubted, checkpoints=judges.checkpoints, on_epoch=judges.on_epoch,
    )  # fmt: skip
    print(f"{config.label_folds} networks for labels took {time.monotonic() - started:,.0f} s", flush=True)
    told.append(
        f"labels are judged by linear models and {config.label_folds} networks together: {ARCHITECTURE}, {epochs} epochs of about "
        f"{num_learnt:,} images each, at {side_px} px"
    )
    return found
