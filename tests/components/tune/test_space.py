"""What can be searched: names and values are checked before anything is trained."""

import pytest

from components.tune.config import TuneConfig
from components.tune.space import Choices, Range, check_cluster, grid_of, parameters_of
from darkroom.system.config import dump, parse
from darkroom.system.errors import InputError


def config(**values):
    return parse(TuneConfig, "tune", values)


@pytest.mark.parametrize(
    ("search", "named"),
    [
        ({"train.learning_rat": [0.1]}, r"'train\.learning_rat'.*did you mean train\.learning_rate"),
        ({"learning_rate": [0.1]}, r"'learning_rate'.*did you mean train\.learning_rate"),
        ({"augment.rotation_degree": [10]}, r"'augment\.rotation_degree'.*did you mean augment\.rotation_degrees"),
        ({"augment.rotation_degrees": [10, 200]}, r"augment\.rotation_degrees is 200"),
        ({"augment.target_share": [0.1, 0.5]}, r"'augment\.target_share', and only settings of train, and those of augment"),
        ({"augment.horizontal_flip": [0.0, "auto"]}, r"'auto' for augment\.horizontal_flip, which the first trial has"),
        ({"train.weights": ["auto", "models:/cats@champion"]}, r"'models:/cats@champion' for train\.weights"),
        ({"clean.min_side_px": [8]}, r"'clean\.min_side_px', and only settings of train, and"),
        ({"train.monitor": ["f1_macro"]}, r"train\.monitor, which is equal in all trials"),
        ({"train.distill_folds": [0.0, 0.5]}, r"train\.distill_folds, which is equal in all trials"),
        ({"train.dropout": [0.1, 1.5]}, r"train\.dropout is 1\.5"),
        ({"train.dropout": {"low": -0.1, "high": 0.5}}, r"train\.dropout is -0\.1"),
        ({"train.epochs": {"low": 0, "high": 5}}, r"train\.epochs is 0"),
        ({"train.optimizer": ["adam", "adamax"]}, r"train\.optimizer is 'adamax'"),
        ({"train.epochs": {"low": "auto", "high": 5}}, r"'auto' as a limit of train\.epochs"),
        ({"train.dropout": {"low": 0.5, "high": 0.1}}, r"train\.dropout: low must be smaller"),
        ({"train.dropout": {"low": 0.0, "high": 0.5, "log": True}}, r"train\.dropout: a range with log begins above 0"),
        ({"train.epochs": {"low": 2, "high": 8, "step": 2.5}}, r"train\.epochs: step must be a whole number"),
        ({"train.dropout": {"low": 0.1, "high": 0.5, "setp": 0.1}}, r"'setp'.*train\.dropout"),
        ({"train.dropout": []}, r"\[\] for train\.dropout"),
        ({"train.dropout": 0.1}, r"0\.1 for train\.dropout"),
    ],
)
def test_a_name_or_a_value_that_can_not_be_searched_is_refused_in_one_sentence(search, named):
    with pytest.raises(InputError, match=rf"^tune\.search.*{named}"):
        config(search=search)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"enabled": True, "search": {}}, r"^tune\.search is empty"),
        ({"sampler": "grid", "pruner": "median", "search": {"train.dropout": [0.1]}}, r"^tune\.pruner is median"),
        ({"sampler": "grid", "search": {"train.dropout": {"low": 0.1, "high": 0.2}}}, r"^tune\.sampler is grid.*train\.dropout"),
        ({"num_trials": 1}, r"^tune\.num_trials is 1"),
        ({"storage": "mysql://host/db"}, r"^tune\.storage begins with mysql"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_sentence(values, named):
    with pytest.raises(InputError, match=named):
        config(**values)


def test_a_password_in_the_address_is_refused_and_not_shown():
    with pytest.raises(InputError, match=r"tune\.storage holds a password.*PGPASSWORD") as refused:
        config(storage="postgresql://me:hunter2@host/db")
    assert "hunter2" not in str(refused.value)


def test_sqlite_is_refused_on_a_cluster_alone():
    check_cluster("sqlite:///study.db", on_cluster=False)
    check_cluster("postgresql://me@host/db", on_cluster=True)
    with pytest.raises(InputError, match=r"^tune\.storage is sqlite:///study\.db"):
        check_cluster("sqlite:///study.db", on_cluster=True)


def test_whole_numbers_stay_whole_on_their_way_through_a_pipeline():
    search = {
        "train.batch_size": {"low": 8.0, "high": 32.0, "step": 8.0},
        "train.epochs": [2.0, "auto"],
        "train.dropout": {"low": 0, "high": 0.5},
    }
    space = parameters_of(config(search=search).search)
    assert space["train.batch_size"].is_integer
    assert not space["train.dropout"].is_integer
    assert space["train.epochs"] == Choices((2, "auto"))
    assert grid_of({"train.batch_size": space["train.batch_size"]}) == {"train.batch_size": [8, 16, 24, 32]}
    assert grid_of({"train.dropout": Range(0.0, 0.3, step=0.1)})["train.dropout"] == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_an_old_name_is_read_as_the_one_of_now():
    assert list(config(search={"train.architecture": ["small_cnn", "lite0"]}).search) == ["train.model"]


def test_the_default_search_space_is_one_and_settings_survive_being_dumped():
    assert parse(TuneConfig, "tune", dump(TuneConfig())) == TuneConfig()
    assert config(enabled=True).prunes
    assert not config(enabled=True, sampler="grid", search={"train.dropout": [0.0, 0.2]}).prunes
