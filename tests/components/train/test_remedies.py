"""What is proposed against over- and underfitting."""

from components.train.config import TrainConfig
from components.train.remedies import remedies
from darkroom.augmentation.policy import Operation, Policy
from darkroom.system.config import parse
from tests.components.train.test_choice import chosen

RICH = Policy(operations=tuple(Operation(name=name, probability=0.5) for name in ("crop", "rotation", "brightness", "erasing")))


def proposed(verdict, policy=RICH, searched=(), **given):
    given = {"model": "small_cnn", **given}
    config, choice = parse(TrainConfig, "train", given), chosen(64, 200, given)
    return [setting for setting, _ in remedies(verdict, config, choice.settings, choice.architecture, policy, searched)]


def test_every_proposal_is_a_setting_that_is_not_in_force():
    assert proposed("overfits") == ["augment.probability=0.8", "train.mixing=0.2, train.cutmix=0.3", "train.dropout=0.2",
                                    "train.weight_decay=0.15"]  # fmt: skip
    assert proposed("overfits", Policy(), mixing=0.1, dropout=0.5, label_smoothing=0, weights="", weight_decay=1)[1:] == [
        "train.label_smoothing=0.1"
    ]
    assert proposed("underfits", dropout=0.5, mixing=0.5) == [
        "train.effort=thorough", "train.learning_rate=find", "train.mixing=0, train.cutmix=0", "train.dropout=0", "train.model=lite0",
    ]  # fmt: skip


def test_a_network_whose_layers_are_mostly_frozen_may_learn_more_of_them():
    assert "train.frozen_share=0.2" in proposed("underfits", model="lite0")
    assert "train.frozen_share=0.2" not in proposed("underfits", model="lite0", frozen_share=0.1)


def test_what_a_search_decides_is_not_proposed():
    searched = {"train.dropout": 0.0, "train.cutmix": 0.0, "augment.crop": 0.1}
    assert proposed("overfits", searched=searched) == ["augment.probability=0.8", "train.weight_decay=0.15"]


def test_more_training_is_a_step_of_effort_or_twice_the_epochs():
    assert proposed("unfinished", effort="quick") == ["train.effort=standard"]
    assert proposed("unfinished", time_limit_min=2.5) == ["train.time_limit_min=5"]
    assert proposed("unfinished", epochs=7, time_limit_min=2.5) == ["train.epochs=14"]
    assert proposed("underfits", learning_rate=1e-9)[0] == "train.learning_rate=auto"
    assert proposed("fine") == proposed("unknown") == []


def test_what_is_proposed_can_be_set():
    for verdict in ("overfits", "underfits", "unfinished"):
        texts = [text for line in proposed(verdict) for text in line.split(", ") if text.startswith("train.")]
        given = dict(text.removeprefix("train.").split("=") for text in texts)
        assert given
        assert set(given) <= set(parse(TrainConfig, "train", given).model_fields_set)
