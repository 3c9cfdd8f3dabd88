"""Settings that the chosen model does not read are told."""

import pytest

from components.train.config import TrainConfig
from components.train.unused_settings import told_unused


@pytest.mark.parametrize(
    ("family", "given", "told"),
    [
        ("probe", {"loss": "focal", "epochs": 7, "regularization": 2.0}, "train.epochs=7, train.loss=focal is not used: probe is learnt"),
        ("logistic_regression", {"weights": "net.safetensors", "weights_version": "1"}, "train.weights=net.safetensors is not used"),
        ("k_nearest", {"num_neighbours": 3, "num_trees": 5, "time_limit_min": 2}, "train.time_limit_min=2.0, train.num_trees=5 is not"),
        ("random_forest", {"num_trees": 5, "seed": 1, "class_balance": "none", "monitor": "log_loss"}, ""),
        ("small_cnn", {"num_trees": 5, "loss": "focal", "epochs": 7}, "train.num_trees=5 is not used: small_cnn is a network"),
        ("small_cnn", {"momentum": 0.8, "optimizer": "sgd", "loss_gamma": 3, "loss": "focal", "fill": 9, "resize": "pad"}, ""),
        ("small_cnn", {"momentum": 0.8}, "train.momentum=0.8 is not used: train.optimizer is adamw"),
        ("small_cnn", {"loss_gamma": 3, "clahe_tiles": 4, "contrast": "auto"}, "train.loss_gamma=3.0 is not used: train.loss is auto"),
        ("small_cnn", {"fill": 9}, "train.fill=9 is not used: train.resize is stretch and train.background is none"),
        ("small_cnn", {"distill_temperature": 9}, "train.distill_temperature=9.0 is not used: train.distill_folds is 0"),
        (
            "small_cnn",
            {"freeze_epochs": 8},
            "train.freeze_epochs=8 lets the last layer alone learn: set it below train.epochs=8",
        ),
        ("small_cnn", {"freeze_epochs": 7}, ""),
    ],
)
def test_settings_that_a_model_does_not_read_are_told(family: str, given: dict[str, object], told: str) -> None:
    notes = told_unused(family, TrainConfig(model=family, **given), 8)
    assert [told in note.text and note.is_warning for note in notes] == [True] * bool(told)


def test_what_decided_for_a_probe_in_place_of_a_network_was_used() -> None:
    assert told_unused("probe", TrainConfig(time_limit_min=0.1, loss="focal")) == ()
    (note,) = told_unused("probe", TrainConfig(time_limit_min=0.1, resize="pad"))
    assert "train.resize=pad is not used" in note.text
