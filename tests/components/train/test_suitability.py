"""Images unlike those that given weights know: what `auto` does with them."""

import math
import time
from types import SimpleNamespace

import pytest

from components.train.choice import choose
from components.train.config import TrainConfig
from components.train.suitability import for_local_network, local_skill, skill
from components.train.suitability import suited as suited_by
from components.train.train import train
from darkroom import manifest
from darkroom.images import Images
from darkroom.manifest import Manifest, make_table
from darkroom.networks.architectures import LOCAL
from darkroom.system.config import parse
from tests.components.train import toys


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


def test_a_resumed_training_does_not_try_it_again(tmp_path, monkeypatch):
    rows = {"epoch": 1, "validation_balanced_accuracy": 0.7}, {"epoch": 2, "validation_balanced_accuracy": 0.8}
    tried = []
    monkeypatch.setattr("components.train.suitability.prepare", lambda *given: given[3].architecture)
    fitted = SimpleNamespace(fitted=SimpleNamespace(history=rows, best_epoch=2))
    monkeypatch.setattr(
        "components.train.suitability.train_network", lambda prepared, *_, **given: tried.append((prepared, given["deadline"])) or fitted
    )
    config = for_local_network(parse(TrainConfig, "train", {"model": LOCAL}))
    found = [local_skill(None, images(), None, tmp_path, 0.0, config) for _ in range(2)]
    assert found == [pytest.approx(0.6)] * 2 and tried == [(LOCAL, None)]
    limited = for_local_network(parse(TrainConfig, "train", {"model": LOCAL, "time_limit_min": 2}))
    half_of_the_time_s, now = 60, time.monotonic()
    assert local_skill(None, images(), None, None, now, limited) == pytest.approx(0.6)
    assert math.isnan(local_skill(None, images(), None, None, now - half_of_the_time_s - 1, limited))
    assert [(deadline.limit_s, deadline.started) for _, deadline in tried[1:]] == [(half_of_the_time_s, now)]


def test_where_there_is_no_time_to_try_the_small_network_that_is_told():
    _, notes = suited(parse(TrainConfig, "train", {}), floor(0.6), source(), images(), found=math.nan)
    assert "; there is no time to try lite0_local; so train.frozen_share=0.2" in notes[0].text


@pytest.mark.parametrize("kept", [True, False])
def test_the_network_that_was_tried_is_the_one_that_is_trained(tmp_path, capsys, kept):
    inputs = toys.make(tmp_path, num_train=16, num_validation=8)
    given = {"model": LOCAL, "epochs": 2, "batch_size": 8, "side_px": 32}
    packed, table = Images(inputs.images, inputs.augmented_images), manifest.read(inputs.examples)
    checkpoints = tmp_path / "checkpoints" if kept else None
    skill = local_skill(packed, table, inputs.policy, checkpoints, 0.0, for_local_network(parse(TrainConfig, "train", given)))
    assert "epoch 1/2  train" in capsys.readouterr().out
    outputs, told = {name: tmp_path / name for name in ("model", "history", "learning_curves")}, []
    measures = train(
        **inputs.paths(),
        **outputs,
        config=parse(TrainConfig, "train", given),
        checkpoints=checkpoints,
        on_epoch=lambda *row: told.append(row),
    )
    assert ("epoch 1/2  train" in capsys.readouterr().out) is not kept and [number for number, _ in told] == [1, 2]
    assert measures["validation_balanced_accuracy"] == pytest.approx(1 / 3 + 2 / 3 * skill)  # of three classes
