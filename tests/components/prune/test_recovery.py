"""What `auto` stands for follows from the card; parts of an epoch see parts of the images."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import pytest

from components.prune.config import PruneConfig
from components.prune.recovery import choose_recovery, thinned
from darkroom.manifest import Manifest, make_table
from darkroom.model import ModelCard
from darkroom.training.hyperparameters import Settings

NOTHING, GIVEN = ("small_cnn", ""), ("timm/resnet18", "DEFAULT")


def card(architecture: str, weights: str, **training: Any) -> ModelCard:
    hyperparameters = dataclasses.asdict(Settings(**({"epochs": 40, "learning_rate": 0.002, "patience": 5} | training)))
    provenance: Mapping[str, Any] = {"settings": {"weights": weights}, "hyperparameters": hyperparameters}
    return ModelCard(architecture, ("a", "b"), "binary", 32, (0.5,) * 3, (0.5,) * 3, (0.5,), provenance=provenance)


def test_a_network_learnt_from_nothing_loses_half_by_norm_and_is_fine_tuned_for_a_share_of_the_training() -> None:
    found = choose_recovery(card(*NOTHING), PruneConfig(seed=7))
    assert (found.target_macs_ratio, found.importance, found.ranking, found.distillation, found.images_share) == (0.5, "l2", "local", 0, 1)
    assert (found.settings.epochs, found.settings.learning_rate, found.settings.seed) == (12, 0.001, 7)
    assert [choose_recovery(card(*NOTHING, epochs=epochs), PruneConfig()).settings.epochs for epochs in (1, 4, 11, 30)] == [1, 2, 3, 9]


def test_given_weights_lose_less_by_what_the_loss_needs_and_learn_from_the_full_model() -> None:
    found = choose_recovery(card(*GIVEN, frozen_share=0.2), PruneConfig(auto_pretrained_macs_ratio=0.8, auto_pretrained_rate_share=0.25))
    assert (found.target_macs_ratio, found.importance, found.ranking) == (0.8, "fisher", "global")
    assert found.distillation > 0
    assert (found.settings.frozen_share, found.settings.learning_rate) == (0.2, 0.0005)


@pytest.mark.parametrize(("epochs", "share", "expected"), [(5, 0.1, (1, 0.5)), (5, 0.2, (1, 1.0)), (40, 0.1, (4, 1.0)), (1, 0.1, (1, 0.1))])
def test_epochs_of_given_weights_may_be_part_of_one(epochs: int, share: float, expected: tuple[int, float]) -> None:
    found = choose_recovery(card(*GIVEN, epochs=epochs), PruneConfig(auto_pretrained_epochs_share=share))
    assert (found.settings.epochs, found.images_share) == expected


@pytest.mark.parametrize("kind", [NOTHING, GIVEN])
def test_what_is_set_counts(kind: tuple[str, str]) -> None:
    config = PruneConfig(target_macs_ratio=0.3, importance="l1", ranking="global", distillation=0.25, epochs=5, learning_rate=0.01)
    found = choose_recovery(card(*kind), config)
    assert (found.target_macs_ratio, found.importance, found.ranking, found.distillation) == (0.3, "l1", "global", 0.25)
    assert (found.settings.epochs, found.settings.learning_rate, found.images_share) == (5, 0.01, 1)


def test_only_given_weights_may_be_hopeless_and_the_less_is_fine_tuned_the_sooner() -> None:
    assert choose_recovery(card(*NOTHING), PruneConfig()).max_gain == math.inf
    assert choose_recovery(card(*NOTHING), PruneConfig(early_drop_per_epoch=0.1, epochs=3)).max_gain == pytest.approx(0.3)
    gains = [choose_recovery(card(*GIVEN, epochs=5), PruneConfig(auto_pretrained_epochs_share=share)).max_gain for share in (0.1, 0.2, 0.4)]
    assert gains == pytest.approx([gains[1] / 2, gains[1], 2 * gains[1]])


def test_weights_of_an_earlier_champion_are_given_but_not_to_the_small_network() -> None:
    assert choose_recovery(card("small_cnn", "a/weights.safetensors"), PruneConfig()).importance == "l2"
    assert choose_recovery(card("timm/resnet18", "a/weights.safetensors"), PruneConfig()).importance == "fisher"
    assert choose_recovery(card("tf_efficientnet_lite0", "auto"), PruneConfig()).importance == "fisher"
    assert choose_recovery(card("tf_efficientnet_lite0", ""), PruneConfig()).importance == "l2"


def test_shares_of_the_training_s_epochs_and_rate_are_settings() -> None:
    other = choose_recovery(card(*NOTHING), PruneConfig(auto_epochs_share=0.5, auto_rate_share=0.1)).settings
    assert (other.epochs, other.learning_rate) == (20, pytest.approx(0.0002))
    assert choose_recovery(card(*NOTHING), PruneConfig(auto_min_epochs=30)).settings.epochs == 30


def test_thinning_leaves_a_share_of_the_training_images_and_all_others_in_their_order() -> None:
    splits = ["train"] * 50 + ["validation"] * 7 + ["test"] * 5 + ["train"] * 50
    paths = [f"{number:03}.png" for number in range(len(splits))]
    columns = {"path": paths, "image_id": paths, "label": ["a", "b"] * 56, "split": splits}
    table = Manifest(make_table(columns), ("a", "b"), "binary", "v1")
    found, again, other = thinned(table, 0.3, 0), thinned(table, 0.3, 0), thinned(table, 0.3, 1)
    assert [len(found.where(split)) for split in ("train", "validation", "test")] == [30, 7, 5]
    assert found.column("path") == sorted(found.column("path")) == again.column("path") != other.column("path")
    assert len(thinned(table, 0.001, 0).where("train")) == 2
    assert thinned(table, 1.0, 0).column("path") == paths
