"""`params.yaml` is written from the configs: one description a setting, and no value is lost."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from darkroom.system.config import LISTS, StepConfig, parse, read_params
from darkroom.system.errors import InputError
from pipelines import params_file
from pipelines.params_file import configs, params_text, write_params
from pipelines.schedule.schedules import read_schedules
from tests.pipelines.conftest import ROOT


def test_params_yaml_is_what_the_configs_say() -> None:
    assert (ROOT / "params.yaml").read_text() == params_text({}), "params.yaml is not what the configs say: run `make params`"


def test_every_setting_stands_there_with_its_default_and_its_description() -> None:
    text = params_text({})
    sections = yaml.safe_load(text)
    assert list(sections) == [*configs(), *LISTS]
    for name, kind in configs().items():
        assert list(sections[name]) == list(kind.model_fields)
        assert parse(kind, name, sections[name]) == parse(kind, name, {})
    assert [line for line in text.splitlines() if re.match(r"  \S", line) and "  # " not in line] == []
    assert max(map(len, text.splitlines())) <= 170


def test_values_in_the_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        "train: {epochs: 3}\nplatform: {node_selector: {pool: training}}\n"
        "schedules: [{name: nightly, cron: '0 2 * * 0', set: {train.epochs: 20}}]\n"
    )
    before = read_schedules(path)
    write_params(path)
    kept = read_params(path)
    assert (kept["train"]["epochs"], kept["train"]["batch_size"]) == (3, "auto")
    assert kept["platform"]["node_selector"] == {"pool": "training"}
    assert read_schedules(path) == before
    written = path.read_text()
    write_params(path)
    assert path.read_text() == written


def test_without_a_file_the_defaults_are_written(tmp_path: Path) -> None:
    write_params(tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_text() == params_text({})
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_the_example_of_a_schedule_is_one(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(params_text({}).split("schedules: []\n")[1].replace("#", "", 1).replace("\n#", "\n").join(["schedules:\n", ""]))
    (schedule,) = read_schedules(path)
    assert (schedule.name, schedule.zone.key, schedule.overrides) == ("nightly", "Europe/Berlin", ["train.epochs=20"])


@pytest.mark.parametrize("text", ["trian: {epochs: 3}", "train: {epoch: 3}", "train: {epochs: 0}"])
def test_what_nobody_reads_is_refused_and_the_file_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=text.split(":")[0]):
        write_params(path)
    assert path.read_text() == text


class Sample(StepConfig):
    """A sample."""

    text: str = Field("", description="Any text.")
    number: float = Field(0.0, description="CPUs: any number.")
    table: dict[str, list[int]] = Field(default_factory=dict, description="A table.")


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")))


@settings(deadline=None)
@given(TEXTS, st.floats(allow_nan=False), st.dictionaries(TEXTS, st.lists(st.integers())))
def test_any_value_is_read_back_as_it_was(text: str, number: float, table: dict[str, Any]) -> None:
    values = {"text": text, "number": number, "table": table}
    section = params_file._section("sample", Sample, values)
    assert yaml.safe_load(section) == {"sample": values}


def test_a_description_begins_as_comments_do() -> None:
    assert params_file._section("sample", Sample, {}) == (
        '# A sample.\nsample:\n  text: ""     # any text\n  number: 0.0  # CPUs: any number\n  table: {}    # a table\n'
    )


class Empty(StepConfig):
    """Has nothing to set."""


def test_a_step_without_settings_has_an_empty_section() -> None:
    assert params_file._section("empty", Empty, {}) == "# Has nothing to set.\nempty: {}\n"
