"""Settings: bounds, messages that name the setting, and overrides."""

from typing import Literal

import pytest
from pydantic import Field

from darkroom.system.config import StepConfig, dump, parse, read_params
from darkroom.system.errors import InputError


class ToyConfig(StepConfig):
    epochs: int = Field(10, ge=1, description="Passes over the data.")
    batch_size: int | Literal["auto"] = "auto"
    leave_out: tuple[str, ...] = ()


def test_defaults_fill_what_is_not_said():
    assert parse(ToyConfig, "toy", {}) == ToyConfig(epochs=10, batch_size="auto")


@pytest.mark.parametrize(("given", "read"), [("masks", ("masks",)), (2023, ("2023",)), (["a", "b"], ("a", "b")), ("", ())])
def test_one_text_is_a_list_of_it(given, read):
    assert parse(ToyConfig, "toy", {"leave_out": given, "epochs": 3}) == ToyConfig(epochs=3, leave_out=read)


def test_whole_floats_are_integers_as_kubeflow_sends_them():
    assert parse(ToyConfig, "toy", {"epochs": 16.0, "batch_size": 32.0}) == ToyConfig(epochs=16, batch_size=32)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, r"toy\.epochs is 0: input should be greater than or equal to 1 \(Passes over the data\)"),
        ({"epochs": "abc"}, r"toy\.epochs is 'abc': input should be a valid integer"),
        ({"epochs": 16.5}, r"toy\.epochs is 16\.5"),
        ({"epoch": 3}, r"toy\.epoch is no setting: did you mean toy\.epochs\?"),
        ({"colour": 3}, r"toy\.colour is no setting: known are: batch_size, epochs"),
        ({"batch_size": "many"}, r"toy\.batch_size is 'many'"),
    ],
)
def test_a_bad_value_is_told_with_the_setting_and_the_value(values, message):
    with pytest.raises(InputError, match=message):
        parse(ToyConfig, "toy", values)


def test_settings_do_not_change_and_travel_as_plain_values():
    config = ToyConfig(epochs=3)
    with pytest.raises(ValueError, match="frozen"):
        config.epochs = 4
    assert dump(config) == {"epochs": 3, "batch_size": "auto", "leave_out": []}
    assert parse(ToyConfig, "toy", dump(config)) == config


def test_overrides_lie_over_the_file(tmp_path):
    (tmp_path / "params.yaml").write_text("toy:\n  epochs: 3\n  name: a\nempty: {}\n")
    sections = read_params(tmp_path / "params.yaml", ("toy.epochs=5", "toy.name=x: [", "empty.list=[1, 2]"))
    assert sections == {"toy": {"epochs": 5, "name": "x: ["}, "empty": {"list": [1, 2]}}


def test_an_override_may_name_a_known_section_that_the_file_lacks(tmp_path):
    (tmp_path / "params.yaml").write_text("toy: {}\n")
    sections = read_params(tmp_path / "params.yaml", ("train.epochs=3",), ("train", "prune"))
    assert sections == {"train": {"epochs": 3}, "prune": {}, "toy": {}}


@pytest.mark.parametrize(
    ("override", "message"),
    [("toy.epochs", "has not the form"), ("epochs=3", "has not the form"), ("train.epochs=3", "names no step: known are toy")],
)
def test_a_bad_override_is_told(tmp_path, override, message):
    (tmp_path / "params.yaml").write_text("toy: {}\n")
    with pytest.raises(InputError, match=message):
        read_params(tmp_path / "params.yaml", (override,))


@pytest.mark.parametrize(
    ("content", "message"), [("a: [", "is not valid YAML"), ("- 1", "must hold sections"), ("a: 1", "must hold sections")]
)
def test_a_bad_file_is_told(tmp_path, content, message):
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        read_params(tmp_path / "params.yaml")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_params(tmp_path / "params.yaml")
