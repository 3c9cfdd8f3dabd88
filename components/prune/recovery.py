"""How a model is pruned and fine-tuned: what each `auto` stands for, from the full model's card alone."""

import dataclasses
import math

import numpy as np
import pyarrow as pa

from components.prune.config import Importance, PruneConfig, Ranking
from darkroom.manifest import Manifest
from darkroom.model import ModelCard
from darkroom.networks.weights import RANDOM, is_pretrained
from darkroom.system.formats import record_from
from darkroom.training.hyperparameters import Settings

MACS_RATIO = 0.5  # of a network that was learnt from nothing: it recovers in the epochs that its training's share leaves
DISTILLATION = 0.9  # of given weights: a short fine-tuning has too few labels to learn from

GAIN_PER_EPOCH = 0.2  # that fine-tuning given weights brings at most; networks that were learnt from nothing learn anew from any drop


@dataclasses.dataclass(frozen=True)
class Recovery:
    """How much is pruned, by what, and how the rest is fine-tuned.

    Attributes:
        target_macs_ratio: Share of the multiply-adds that is to remain.
        importance: What makes a channel weak.
        ranking: What it competes with.
        distillation: Share of the full model's answers in the loss, 0 to 1.
        images_share: Share of the training images that are used, 0 to 1.
        max_gain: That fine-tuning is thought to bring at most, in the unit of the monitored measure.
        settings: Of fine-tuning.
    """

    target_macs_ratio: float
    importance: Importance
    ranking: Ranking
    distillation: float
    images_share: float
    max_gain: float
    settings: Settings


def choose_recovery(card: ModelCard, config: PruneConfig) -> Recovery:
    """Replaces each `auto` by its value.

    Args:
        card: The full model's.
        config: Settings, some of them `auto`.
    """
    given = _has_given_weights(card)
    training = record_from(Settings, card.provenance["hyperparameters"])
    importance: Importance = ("fisher" if given else "l2") if config.importance == "auto" else config.importance
    epochs, share = _length(training.epochs, given, config)
    target = config.auto_pretrained_macs_ratio if given else MACS_RATIO
    taught, gain = (DISTILLATION, GAIN_PER_EPOCH) if given else (0.0, math.inf)
    gain = gain if config.early_drop_per_epoch == "auto" else config.early_drop_per_epoch
    return Recovery(
        target_macs_ratio=target if config.target_macs_ratio == "auto" else config.target_macs_ratio,
        importance=importance,
        ranking=("global" if importance == "fisher" else "local") if config.ranking == "auto" else config.ranking,
        distillation=taught if config.distillation == "auto" else config.distillation,
        images_share=share,
        max_gain=gain * epochs * share,
        settings=fine_tuning(training, epochs, config.auto_pretrained_rate_share if given else config.auto_rate_share, config),
    )


def fine_tuning(training: Settings, epochs: int, rate_share: float, config: PruneConfig) -> Settings:
    """The training's hyperparameters with other epochs and a lower learning rate: the network has only to recover.

    Layers that never learnt stay as they are: where channels were removed, they are made up for without learning.
    """
    rate = rate_share * training.learning_rate if config.learning_rate == "auto" else config.learning_rate
    return dataclasses.replace(
        training,
        epochs=epochs,
        learning_rate=rate,
        warmup_epochs=min(1.0, 0.1 * epochs),
        patience=10**6,
        freeze_epochs=0,
        unfreeze_epochs=0,
        first_side_share=1.0,
        kept_views=0,
        compile="off",
        seed=config.seed,
    )


def thinned(table: Manifest, share: float, seed: int) -> Manifest:
    """A manifest with a share of its training images, drawn at random, and all others.

    Args:
        table: All rows, with their `split`.
        share: 0 to 1; at least two images stay.
        seed: Decides which.
    """
    is_training = np.array([split == "train" for split in table.column("split")])
    training = np.flatnonzero(is_training)
    number = min(len(training), max(2, math.ceil(share * len(training))))
    drawn = np.random.default_rng(seed).choice(training, number, replace=False)
    rows = np.sort(np.concatenate([drawn, np.flatnonzero(~is_training)]))
    return dataclasses.replace(table, table=table.table.take(pa.array(rows)))


def _length(training: int, given: bool, config: PruneConfig) -> tuple[int, float]:
    """Epochs, and the share of the images that they show."""
    if config.epochs != "auto":
        return config.epochs, 1.0
    if not given:
        return max(round(config.auto_epochs_share * training), min(training, config.auto_min_epochs)), 1.0
    wanted = config.auto_pretrained_epochs_share * training
    return max(1, round(wanted)), min(1.0, wanted)


def _has_given_weights(card: ModelCard) -> bool:
    """Whether the training began with weights that others had learnt; the small network is learnt as from nothing in any case."""
    weights = card.provenance.get("settings", {}).get("weights", RANDOM)
    return card.architecture != "small_cnn" and is_pretrained(card.architecture, weights)
