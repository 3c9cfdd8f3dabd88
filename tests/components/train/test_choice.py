"""What `auto` stands for, from the number and the size of the images."""

import pytest

from components.train.choice import choose
from components.train.config import TrainConfig
from darkroom.manifest import Manifest, make_table
from darkroom.system.config import parse

LITE0 = "tf_efficientnet_lite0"


def rows_of(width, number):
    columns = {"path": [str(row) for row in range(number)], "width": [width] * number, "height": [width] * number}
    return Manifest(make_table(columns), ("x",), "multiclass", "")


def chosen(width, number, given):
    return choose(rows_of(width, number), parse(TrainConfig, "train", given))


@pytest.mark.parametrize(
    ("width", "number", "given", "architecture", "side", "epochs", "rate"),
    [
        (28, 1257, {}, "small_cnn", 32, 100, 2e-3),
        (47, 450, {}, "small_cnn", 64, 100, 2e-3),
        (400, 450, {"model": "small_cnn"}, "small_cnn", 128, 89, 2e-3),
        (400, 3000, {"model": "small_cnn", "effort": "quick"}, "small_cnn", 64, 13, 2e-3),
        (400, 3000, {"model": "small_cnn", "auto_max_side_px": 32, "auto_max_presentations": 30_000}, "small_cnn", 32, 10, 2e-3),
        (400, 3000, {}, LITE0, 192, 3, 1e-3),
        (400, 3000, {"auto_macs": 5e12, "auto_pretrained_share": 0.25}, LITE0, 128, 4, 5e-4),
        (400, 300, {"epochs": 3, "side_px": 64}, LITE0, 64, 3, 1e-3),
        (28, 300, {"model": "lite0"}, LITE0, 64, 40, 1e-3),
        (28, 300, {"model": "lite0", "weights": ""}, LITE0, 32, 100, 2e-3),
    ],
)
def test_auto_follows_the_data_and_the_budget(width, number, given, architecture, side, epochs, rate):
    found = chosen(width, number, given)
    assert (found.architecture, found.side_px, found.settings.epochs, found.settings.batch_size) == (architecture, side, epochs, 32)
    assert found.settings.learning_rate == pytest.approx(rate)
    assert found.settings.head_rate_factor == (10 if rate < 2e-3 else 1)


def test_a_transformer_is_fine_tuned_at_lower_rates():
    given = {"model": "vit_tiny_patch16_224", "weights": "DEFAULT", "side_px": 64, "epochs": 2}
    assert chosen(400, 300, given).settings.learning_rate == pytest.approx(1e-4)


@pytest.mark.parametrize(("batch", "frozen"), [(8, True), (32, False)])
def test_small_batches_keep_the_statistics_of_pretrained_weights(batch, frozen):
    assert chosen(400, 300, {"batch_size": batch, "epochs": 1, "side_px": 64}).settings.freeze_batch_norm == frozen
    assert not chosen(400, 300, {"batch_size": batch, "model": "small_cnn"}).settings.freeze_batch_norm


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["lite0", "400 px", "effort=standard", "quick takes 0.25 times", "thorough takes 8 times"]),
        ({"epochs": 3, "side_px": 64}, ["train.epochs=3 is set by hand"]),
        ({"model": "small_cnn", "effort": "thorough"}, ["effort=thorough", "standard takes 0.125 times"]),
    ],
)
def test_the_choice_says_why(given, words):
    told = chosen(400, 300, given).reason
    assert all(word in told for word in words), told
