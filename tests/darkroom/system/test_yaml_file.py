"""What a person typed is taken whole, or refused with its line."""

from pathlib import Path
from typing import Any

import pytest

from components.ingest.config import IngestConfig
from components.register.config import RegisterConfig
from components.train.config import TrainConfig
from darkroom.system.config import StepConfig, parse, read_params
from darkroom.system.errors import InputError
from darkroom.system.yaml_file import read_yaml, value_of
from darkroom.versions.data_version import recorded_version

KINDS: dict[str, type[StepConfig]] = {"ingest": IngestConfig, "register": RegisterConfig, "train": TrainConfig}
CONFLICT = "<<<<<<< HEAD\ntrain: {}\n=======\ntrain: {epochs: 3}\n>>>>>>> theirs\n"


def setting(path: Path, name: str, override: str = "") -> Any:
    step, _, field = name.partition(".")
    values = read_params(path, (f"{name}={override}",) if override else ())[step]
    return getattr(parse(KINDS[step], step, values), field)


@pytest.mark.parametrize("way", ["file", "command line"])
@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("register.name", "0123", "0123"),
        ("register.name", "12:30", "12:30"),
        ("register.name", "1e3", "1e3"),
        ("register.name", "1.10", "1.10"),
        ("register.name", "2026-11-28", "2026-11-28"),
        ("register.name", "'set #2'", "set #2"),
        ("ingest.positive_class", "no", "no"),
        ("ingest.positive_class", "on", "on"),
        ("ingest.positive_class", "true", "true"),
        ("ingest.label_columns", "[1, 2.50, off]", ("1", "2.50", "off")),
        ("train.epochs", "0123", 123),
        ("train.epochs", "1e1", 10),
        ("train.learning_rate", "1e-3", 0.001),
        ("ingest.max_file_mb", "10", 10.0),
    ],
)
def test_a_value_is_what_was_typed(tmp_path: Path, way: str, name: str, typed: str, value: object) -> None:
    step, _, field = name.partition(".")
    path = tmp_path / "params.yaml"
    path.write_text(f"{step}:\n  {field}: {typed}\n" if way == "file" else f"{step}:\n", encoding="utf-8")
    assert setting(path, name, "" if way == "file" else typed) == value


@pytest.mark.parametrize(
    "typed", ["set #2", "a: b", "- a", "[a] #b", "{a: 1} # b", "&a b", "*a", "!!python/name:os.system", "'a", "| x", "<<"]
)
def test_an_overrides_text_is_taken_whole(typed: str) -> None:
    assert value_of(typed) == typed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {}\nsplit: {}\ntrain: {}\n", ["'train' twice", "line 1", "line 3"]),
        ("train:\n  epochs: 3\n  seed: 1\n  epochs: 4\n", ["'epochs' twice", "line 2", "line 4"]),
        (f"split: {{}}\n{CONFLICT}", ["merge conflict", "line 2"]),
        ("train:\n  epochs: 12:30\n", ["train.epochs", "'12:30'", "line 2"]),
        ("train:\n  epoch: 3\n", ["did you mean train.epochs", "line 2"]),
        ("train: [1\n", ["line 1"]),
        ("? [a, b]\n: c\n", ["line 1"]),
        ("train: {seed: &a [*a]}\n", ["line 1"]),
        ("- train\n", ["sections"]),
    ],
)
def test_what_is_not_taken_is_refused_with_its_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        setting(path, "train.epochs")
    assert all(word in str(error.value) for word in ["params.yaml" if "sections" not in words else "", *words]), error.value


def test_other_texts_than_utf_8_are_refused_and_a_byte_order_mark_is_none(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes("register: {name: Größe}".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_yaml(path)
    path.write_bytes("register: {name: Größe}".encode("utf-8-sig"))
    assert setting(path, "register.name") == "Größe"


def test_a_conflict_in_a_dvc_file_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "data.dvc").write_text("outs:\n<<<<<<< HEAD\n- md5: a\n=======\n- md5: b\n>>>>>>> b\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"data\.dvc has a merge conflict in line 2"):
        recorded_version(tmp_path / "data")


def test_a_section_without_settings_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train:\n  # epochs: 3\n", encoding="utf-8")
    assert read_params(tmp_path / "params.yaml") == {"train": {}}
