"""Images unlike those that given weights know: what `auto` does with them."""

from functools import partial
from types import SimpleNamespace

import pytest

from components.train.choice import choose
from components.train.config import TrainConfig
from components.train.suitability import TRIED, local_skill, skill
from components.train.suitability import suited as suited_by
from darkroom.manifest import Manifest, make_table
from darkroom.networks.architectures import LOCAL
from darkroom.system.config import dump, parse
from darkroom.training.kept_result import kept_result


def images(task="multilabel"):
    number, classes = 300, ("a", "b", "c", "d")
    columns = {"path": [str(row) for row in range(number)], "width": [400] * number, "height": [300] * number, "split": ["train"] * number}
    return Manifest(make_table(columns), classes, task, "")


def floor(balanced_accuracy):
    row = {} if balanced_accuracy is None else {"validation_balanced_accuracy": balanced_accuracy}
    return SimpleNamespace(fitted=SimpleNamespace(validated=SimpleNamespace(row=row)))


def suited(config, floor, source, table, found=-1.0):
    return suited_by(config, floor, source, table, lambda _: found)


def source(backbone="tf_efficientnet_lite0"):
    return SimpleNamespace(backbone=SimpleNamespace(name=backbone), problem=SimpleNamespace(train=[]))


@pytest.mark.parametrize(
    ("task", "value", "expected"), [("multilabel", 0.6, 0.2), ("binary", 0.5, 0), ("multiclass", 0.25, 0), ("multiclass", 1, 1)]
)
def test_skill_is_what_is_told_apart_beyond_chance(task, value, expected):
    assert skill(floor(value).fitted.validated.row, images(task)) == pytest.approx(expected)


def test_features_that_tell_little_apart_are_learnt_anew(capsys):
    config, notes = suited(parse(TrainConfig, "train", {}), floor(0.6), source(), images())
    found = choose(images(), config).settings
    assert (found.frozen_share, found.freeze_batch_norm, found.head_rate_factor, found.kept_views, found.epochs) == (0.2, False, 10, 0, 16)
    assert len(notes) == 1 and "train.auto_min_skill" in notes[0].text and "train.auto_min_skill" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "value"),
    [({}, 0.8), ({}, None), ({"model": "small_cnn"}, 0.5), ({"weights": ""}, 0.5), ({"auto_min_skill": 0.1}, 0.6)],
)
def test_all_else_is_trained_as_ever(given, value):
    config = parse(TrainConfig, "train", given)
    assert suited(config, floor(value), source(), images()) == (config, ())
    assert suited(config, None, source(), images()) == (config, ())
    assert suited(config, floor(0.0), source("handcrafted"), images()) == (config, ())


@pytest.mark.parametrize("name", ["probe", "random_forest"])
def test_models_on_vectors_have_no_layers_to_freeze(name):
    config = parse(TrainConfig, "train", {"model": name})
    assert suited(config, floor(0.0), source(), images()) == (config, ())


def test_what_is_set_by_hand_stays():
    given = {"frozen_share": 0.5, "freeze_batch_norm": True, "head_start": "linear", "kept_views": 3}
    config, notes = suited(parse(TrainConfig, "train", given), floor(0.5), source(), images())
    assert notes[0].text.endswith("which was tried as there are few images, has 0.00; so train.auto_pretrained_max_epochs=16")
    assert all(getattr(config, name) == value for name, value in given.items())


def test_few_such_images_are_learnt_by_the_small_network_where_it_tells_more_apart():
    config, notes = suited(parse(TrainConfig, "train", {}), floor(0.6), source(), images(), found=0.3)
    found = choose(images(), config)
    assert found.architecture == LOCAL and found.settings.kept_views == 8 and found.settings.learning_rate == pytest.approx(3e-3)
    assert (found.settings.frozen_share, found.settings.freeze_batch_norm, found.settings.head_rate_factor) == (0.99, False, 1.0)
    assert found.settings.epochs == 24 and notes[0].text.endswith(
        "lite0_local, which was tried as there are few images, has 0.30, so it is taken"
    )


@pytest.mark.parametrize("given", [{"auto_local_max_images": 299}, {"model": "lite0"}, {"weights": "weights.pth"}])
def test_it_is_not_tried_where_images_are_many_or_something_else_is_named(given):
    def tried(_):
        raise AssertionError("it was tried")

    config, _ = suited_by(parse(TrainConfig, "train", given), floor(0.6), source(), images(), tried)
    assert config.model == given.get("model", "auto") and config.auto_pretrained_max_epochs == 16


def test_named_by_hand_it_has_its_own_recipe_whatever_the_images_are():
    config, notes = suited(parse(TrainConfig, "train", {"model": LOCAL, "frozen_share": 0.5}), floor(1.0), source(), images())
    assert (config.frozen_share, config.head_start, config.auto_pretrained_max_epochs, notes) == (0.5, "random", 24, ())


def test_a_resumed_training_does_not_try_it_again_unless_settings_differ(tmp_path):
    kept_result(tmp_path / TRIED, dump(TrainConfig()), lambda: {"skill": 0.25})
    resumed = partial(local_skill, None, images(), None, tmp_path)
    assert resumed(TrainConfig()) == 0.25
    with pytest.raises(KeyError):  # it is tried, without the labels that this needs
        resumed(TrainConfig(seed=1))
