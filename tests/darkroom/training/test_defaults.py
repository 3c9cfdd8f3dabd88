"""What `auto` stands for."""

import pytest

from darkroom import manifest
from darkroom.manifest import Manifest
from darkroom.training import defaults


def photos(width, height, number):
    columns = {
        "path": [str(row) for row in range(number)],
        "width": [width] * (number - 1) + [5000],
        "height": [height] * (number - 1) + [5000],
    }
    return Manifest(manifest.make_table(columns), ("x",), "multiclass", "")


@pytest.mark.parametrize(
    ("width", "height", "number", "side"),
    [
        (8, 8, 2000, 16), (16, 20, 9, 16), (28, 28, 9, 32), (40, 33, 9, 64), (200, 90, 9, 96),
        (640, 480, 300, 160), (224, 224, 450, 128), (224, 224, 800, 96), (400, 533, 3000, 64),
    ],
)  # fmt: skip
def test_the_side_keeps_the_pixels_of_small_images_and_what_time_allows_of_large_ones(width, height, number, side):
    assert defaults.side_px(photos(width, height, number)) == side


def test_epochs_show_as_many_images_within_limits_and_fewer_large_ones():
    low, high = defaults.EPOCHS
    assert defaults.epochs(10, 16) == high
    assert defaults.epochs(10**7, 16) == low
    assert defaults.epochs(2000, 64) == 80
    assert defaults.epochs(500, 128) == 80


def test_pretrained_weights_and_small_batches_learn_at_lower_rates():
    assert defaults.learning_rate("adamw", 32, from_weights=False) == defaults.LEARNING_RATES["adamw"]
    assert defaults.learning_rate("sgd", 128, from_weights=False) == pytest.approx(2 * defaults.LEARNING_RATES["sgd"])
    assert defaults.learning_rate("adamw", 32, from_weights=True) == pytest.approx(0.2 * defaults.LEARNING_RATES["adamw"])


def test_warm_up_and_patience_follow_the_epochs():
    assert [defaults.warmup_epochs(number) for number in (1, 40, 1000)] == [0.1, 4, 5]
    assert [defaults.patience(number) for number in (1, 40)] == [10, 20]
