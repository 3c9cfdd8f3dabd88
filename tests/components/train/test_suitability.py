"""Images unlike those that given weights know: what `auto` does with them."""

from types import SimpleNamespace

import pytest

from components.train.choice import choose
from components.train.config import TrainConfig
from components.train.suitability import skill, suited
from darkroom.manifest import Manifest, make_table
from darkroom.system.config import parse


def images(task="multilabel"):
    number, classes = 300, ("a", "b", "c", "d")
    columns = {"path": [str(row) for row in range(number)], "width": [400] * number, "height": [300] * number, "split": ["train"] * number}
    return Manifest(make_table(columns), classes, task, "")


def floor(balanced_accuracy):
    row = {} if balanced_accuracy is None else {"validation_balanced_accuracy": balanced_accuracy}
    return SimpleNamespace(fitted=SimpleNamespace(validated=SimpleNamespace(row=row)))


def source(backbone="tf_efficientnet_lite0"):
    return SimpleNamespace(backbone=SimpleNamespace(name=backbone), problem=SimpleNamespace(train=[]))


@pytest.mark.parametrize(
    ("task", "value", "expected"), [("multilabel", 0.6, 0.2), ("binary", 0.5, 0), ("multiclass", 0.25, 0), ("multiclass", 1, 1)]
)
def test_skill_is_what_is_told_apart_beyond_chance(task, value, expected):
    assert skill(floor(value).fitted, images(task)) == pytest.approx(expected)


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
    assert notes[0].text.endswith("; so train.auto_pretrained_max_epochs=16")
    assert all(getattr(config, name) == value for name, value in given.items())
