"""What `auto` stands for."""

import dataclasses

import pytest

from darkroom import manifest
from darkroom.manifest import Manifest
from darkroom.training import defaults
from darkroom.training.defaults import Budget, Cost

BUDGET = Budget(
    base_side_px=64, max_side_px=160, min_presentations=80, max_presentations=160_000, min_epochs=8, max_epochs=100, macs=1e13,
    pretrained_min_side_px=64, pretrained_max_side_px=256, pretrained_enlarging=1.0, pretrained_min_epochs=3.5, pretrained_max_epochs=40,
)  # fmt: skip  # train's defaults, which tests/components/train/test_train.py holds


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
    assert defaults.side_px(photos(width, height, number), BUDGET) == side


@pytest.mark.parametrize(
    ("limits", "side"),
    [
        ({"max_side_px": 512}, 320),
        ({"max_side_px": 100}, 96),
        ({"max_side_px": 16}, 16),
        ({"min_presentations": 2000}, 64),
        ({"base_side_px": 128}, 128),
    ],
)
def test_the_side_keeps_the_users_limits(limits, side):
    number = 3000 if "base_side_px" in limits else 50
    assert defaults.side_px(photos(400, 300, number), dataclasses.replace(BUDGET, **limits)) == side


def test_epochs_show_as_many_images_within_limits_and_fewer_large_ones():
    assert defaults.epochs(10, 16, BUDGET) == 100
    assert defaults.epochs(10**7, 16, BUDGET) == 8
    assert defaults.epochs(2000, 64, BUDGET) == 80
    assert defaults.epochs(500, 128, BUDGET) == 80
    assert defaults.epochs(2000, 64, dataclasses.replace(BUDGET, max_presentations=40_000)) == 20
    assert defaults.epochs(10**7, 16, dataclasses.replace(BUDGET, max_epochs=3)) == 3


def lite0(side):
    return Cost(0.0, 385e6 * (side / 224) ** 2)


@pytest.mark.parametrize(
    ("width", "height", "number", "effort", "side", "epochs"),
    [
        (400, 533, 4504, 1, 160, 4), (400, 533, 4504, 0.25, 64, 6), (400, 533, 4504, 8, 256, 12), (224, 224, 768, 1, 224, 11),
        (640, 480, 255, 1, 256, 26), (60, 80, 4504, 1, 64, 24), (60, 80, 100, 1, 64, 40), (500, 500, 10**6, 1, 64, 1),
    ],
)  # fmt: skip
def test_fine_tuning_takes_the_largest_side_that_the_multiply_adds_afford(width, height, number, effort, side, epochs):
    budget = defaults.scaled(BUDGET, effort)
    assert defaults.pretrained_side_px(photos(width, height, number), lite0, budget) == side
    assert defaults.pretrained_epochs(number, lite0(side), budget) == epochs


@pytest.mark.parametrize(
    ("side", "number", "enlarged"), [(32, 1260, 128), (32, 10**5, 64), (20, 1260, 96), (200, 300, 224), (240, 300, 256)]
)
def test_small_images_are_enlarged_where_that_is_afforded(side, number, enlarged):
    budget = dataclasses.replace(BUDGET, pretrained_enlarging=4.0)
    assert defaults.pretrained_side_px(photos(side, side, number), lite0, budget) == enlarged


@pytest.mark.parametrize(
    ("frozen", "views", "macs", "epochs"),
    [(0, 0, 30, 10), (0, 4, 30, 10), (2, 0, 30, 6), (2, 4, 30, 22 / 3), (2, 4, 15, 3), (2, 4, 20, 4)],
)
def test_layers_that_never_learn_are_cheap_and_cheaper_where_their_views_are_kept(frozen, views, macs, epochs):
    assert Cost(frozen, 1, views).epochs(macs) == pytest.approx(epochs)


def test_an_effort_scales_a_training_from_scratch():
    assert [defaults.epochs(2000, 64, defaults.scaled(BUDGET, effort)) for effort in (0.25, 1, 8)] == [20, 80, 640]


def test_pretrained_weights_and_small_batches_learn_at_lower_rates():
    assert defaults.learning_rate("adamw", 32, 1.0) == defaults.LEARNING_RATES["adamw"]
    assert defaults.learning_rate("sgd", 128, 1.0) == pytest.approx(2 * defaults.LEARNING_RATES["sgd"])
    assert defaults.learning_rate("adamw", 32, 0.2) == pytest.approx(0.2 * defaults.LEARNING_RATES["adamw"])


def test_warm_up_and_patience_follow_the_epochs():
    assert [defaults.warmup_epochs(number) for number in (1, 40, 1000)] == [0.1, 4, 5]
    assert [defaults.patience(number) for number in (1, 40)] == [10, 20]
