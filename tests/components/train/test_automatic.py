"""What `auto` stands for."""

import pytest

from components import manifest
from components.manifest import Manifest
from components.train import automatic


@pytest.mark.parametrize(
    ("width", "height", "side"), [(8, 8, 16), (16, 20, 16), (28, 28, 32), (40, 33, 48), (200, 60, 64), (224, 224, automatic.SIDES_PX[-1])]
)
def test_the_side_keeps_the_pixels_of_small_images_and_has_an_end(width, height, side):
    columns = {"path": list("abc"), "width": [width, width, 5000], "height": [height, height, 5000]}
    assert automatic.side_px(Manifest(manifest.make_table(columns), ("x",), "multiclass", "")) == side


def test_epochs_show_as_many_images_within_limits():
    low, high = automatic.EPOCHS
    assert automatic.epochs(10) == high
    assert automatic.epochs(10**7) == low
    assert automatic.epochs(automatic.NUM_PRESENTATIONS // 30) == 30


def test_pretrained_weights_and_small_batches_learn_at_lower_rates():
    assert automatic.learning_rate("adamw", 32, from_weights=False) == automatic.LEARNING_RATES["adamw"]
    assert automatic.learning_rate("sgd", 128, from_weights=False) == pytest.approx(2 * automatic.LEARNING_RATES["sgd"])
    assert automatic.learning_rate("adamw", 32, from_weights=True) == pytest.approx(0.2 * automatic.LEARNING_RATES["adamw"])


def test_warm_up_and_patience_follow_the_epochs():
    assert [automatic.warmup_epochs(number) for number in (1, 40, 1000)] == [0.1, 4, 5]
    assert [automatic.patience(number) for number in (1, 40)] == [10, 20]
