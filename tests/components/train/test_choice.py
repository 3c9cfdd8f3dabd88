"""What `auto` stands for, from the number and the size of the images."""

import pyarrow as pa
import pytest

from components.train.choice import candidates, choose
from components.train.config import TrainConfig
from darkroom.manifest import Manifest, make_table
from darkroom.system.config import parse
from darkroom.system.errors import InputError

LITE0 = "tf_efficientnet_lite0"


def rows_of(width, number):
    columns = {"path": [str(row) for row in range(number)], "width": [width] * number, "height": [width] * number}
    return Manifest(make_table(columns), ("x",), "multiclass", "")


def chosen(width, number, given):
    return choose(rows_of(width, number), parse(TrainConfig, "train", given))


@pytest.mark.parametrize(
    ("width", "number", "given", "architecture", "side", "epochs", "rate"),
    [
        (28, 1257, {}, "small_cnn", 32, 60, 2e-3),
        (31, 450, {"auto_max_epochs": 100}, "small_cnn", 32, 100, 2e-3),
        (32, 1257, {}, LITE0, 128, 8, 1e-3),
        (47, 450, {"auto_photo_side_px": 48}, "small_cnn", 64, 60, 2e-3),
        (400, 450, {"model": "small_cnn"}, "small_cnn", 128, 60, 2e-3),
        (400, 3000, {"model": "small_cnn", "effort": "quick"}, "small_cnn", 64, 13, 2e-3),
        (400, 3000, {"model": "small_cnn", "auto_max_side_px": 32, "auto_max_presentations": 30_000}, "small_cnn", 32, 10, 2e-3),
        (400, 3000, {}, LITE0, 256, 4, 1e-3),
        (400, 3000, {"auto_macs": 5e12, "auto_pretrained_share": 0.25}, LITE0, 160, 5, 5e-4),
        (400, 300, {"epochs": 3, "side_px": 64}, LITE0, 64, 3, 1e-3),
        (28, 300, {"model": "lite0"}, LITE0, 128, 8, 1e-3),
        (28, 300, {"model": "lite0", "auto_pretrained_enlarging": 1}, LITE0, 64, 8, 1e-3),
        (28, 300, {"model": "lite0", "weights": ""}, LITE0, 32, 60, 2e-3),
    ],
)
def test_auto_follows_the_data_and_the_budget(width, number, given, architecture, side, epochs, rate):
    found = chosen(width, number, given)
    assert (found.architecture, found.side_px, found.settings.epochs, found.settings.batch_size) == (architecture, side, epochs, 32)
    assert found.settings.learning_rate == pytest.approx(rate)
    assert found.settings.head_rate_factor == (10 if rate < 2e-3 else 1)


@pytest.mark.parametrize(
    ("modes", "side", "architecture"),
    [
        (["L"] * 3 + ["RGB"] * 2, 32, "small_cnn"),
        (["L"] * 2 + ["RGB"] * 3, 32, LITE0),
        (["1", "I;16", "LA", "RGB", None], 47, "small_cnn"),
        (["L"] * 5, 48, LITE0),
        ([None] * 5, 32, LITE0),
    ],
)
def test_small_grey_images_are_learnt_from_nothing(modes, side, architecture):
    rows = rows_of(side, 5)
    table = Manifest(rows.table.append_column("image_mode", pa.array(modes, pa.string())), rows.classes, rows.task, "")
    assert choose(table, TrainConfig()).architecture == architecture


@pytest.mark.parametrize(
    ("width", "given", "frozen"),
    [
        (400, {}, 0.5),
        (400, {"auto_macs": 5e11}, 0.68),
        (400, {"time_limit_min": 5, "processor": "x"}, 0.68),
        (400, {"auto_frozen_share": 0.4}, 0.4),
        (400, {"auto_min_frozen_share": 0.0}, 0.0),
        (400, {"weights": ""}, 0.0),
        (28, {}, 0.0),
        (28, {"frozen_share": 0.5}, 0.5),
    ],
)
def test_given_weights_keep_their_first_layers(width, given, frozen):
    assert chosen(width, 100, given).settings.frozen_share == frozen


def test_smaller_images_afford_more_epochs():
    whole, growing = (chosen(400, 3000, {"side_px": 224, "first_side_share": share}).settings for share in (1.0, 0.5))
    assert growing.epochs > whole.epochs and growing.first_side_share == 0.5


def test_a_network_of_one_side_is_not_given_others():
    with pytest.raises(InputError, match=r"train\.first_side_share is 0\.6, but vit_b_16 takes images of one side only"):
        chosen(400, 100, {"model": "vit_b_16", "first_side_share": 0.6})


def test_a_side_that_a_network_can_not_have_is_refused_and_auto_takes_none():
    with pytest.raises(InputError, match=r"train\.side_px is 64 .* inception_v3 takes no images of that side: set it to 96, for example"):
        chosen(400, 30, {"model": "inception_v3", "weights": "", "side_px": 64})
    assert chosen(12, 30, {"model": "timm/convnext_atto", "weights": ""}).side_px == 32  # of 16 pixels nothing is left
    config = parse(TrainConfig, "train", {"model": "timm/convnext_atto", "weights": ""})
    assert list(candidates(rows_of(12, 30), "timm/convnext_atto", config)[0]) == [32]
    assert min(candidates(rows_of(400, 30), "timm/convnext_atto", config)[0]) == 32


def test_a_transformer_is_fine_tuned_at_lower_rates():
    given = {"model": "vit_tiny_patch16_224", "weights": "DEFAULT", "side_px": 64, "epochs": 2}
    assert chosen(400, 300, given).settings.learning_rate == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("given", "frozen"), [({}, True), ({"freeze_batch_norm": False}, False), ({"model": "small_cnn"}, False), ({"weights": ""}, False)]
)
def test_given_weights_keep_their_batch_statistics(given, frozen):
    assert chosen(400, 300, {"epochs": 1, "side_px": 64, **given}).settings.freeze_batch_norm == frozen


def test_many_images_are_shown_larger_rather_than_often_and_in_fewer_views():
    few, many = chosen(32, 3000, {}), chosen(32, 40_000, {})
    assert (few.side_px, few.settings.epochs, few.settings.kept_views) == (128, 8, 4)
    assert (many.side_px, many.settings.epochs, many.settings.kept_views) == (96, 3, 1)
    assert "not augmented on the fly" in many.reason and "augmented" not in few.reason


@pytest.mark.parametrize(
    ("number", "given", "views"),
    [
        (40_000, {"epochs": 30}, 4),
        (40_000, {"time_limit_min": 600, "processor": "x"}, 2),  # as many as epochs
        (40_000, {"effort": "quick"}, 0),  # one epoch, of augmented images
        (3000, {"epochs": 30, "auto_kept_views_mb": 60}, 2),
        (3000, {"epochs": 30, "auto_kept_views_mb": 40}, 0),
    ],
)
def test_augmented_views_go_only_where_the_budget_bounds_the_epochs(number, given, views):
    assert chosen(32, number, {"side_px": 96, **given}).settings.kept_views == views


@pytest.mark.parametrize(
    ("given", "views"),
    [
        ({}, 4),
        ({"epochs": 3}, 3),
        ({"epochs": 1}, 0),
        ({"auto_kept_views_mb": 10}, 0),
        ({"mixing": 0.1}, 0),
        ({"first_side_share": 0.5}, 0),
        ({"frozen_share": 0.0}, 0),
        ({"weights": ""}, 0),
        ({"kept_views": 2}, 2),
        ({"kept_views": 0}, 0),
        ({"kept_views": 1}, 1),
        ({"auto_macs": 3e11, "side_px": 224}, 1),
        ({"num_processes": 2}, 0),
        ({"model": "vit_tiny_patch16_224", "weights": "DEFAULT", "side_px": 64}, 0),
    ],
)
def test_views_are_kept_where_layers_are_frozen_and_there_is_the_room(given, views):
    assert chosen(400, 300, given).settings.kept_views == views


@pytest.mark.parametrize(
    ("given", "why"),
    [({"frozen_share": 0.0}, "no frozen layers"), ({"num_processes": 2}, "several processes"), ({"weights": ""}, "no frozen")],
)
def test_views_that_can_not_be_kept_are_refused(given, why):
    with pytest.raises(InputError, match=rf"train\.kept_views is 3, and .*{why}"):
        chosen(400, 300, {"kept_views": 3, **given})


def test_views_can_not_be_kept_of_images_that_change_in_every_batch():
    with pytest.raises(InputError, match=r"train\.kept_views is 4, and train\.mixing"):
        parse(TrainConfig, "train", {"kept_views": 4, "cutmix": 0.5})


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
