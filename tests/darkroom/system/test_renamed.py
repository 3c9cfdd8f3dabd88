from pathlib import Path

import pytest

from darkroom.system import renamed
from darkroom.system.config import overlay, read_params
from darkroom.system.errors import InputError
from darkroom.system.renamed import with_current_names


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    renamed._note_old_name.cache_clear()
    monkeypatch.setattr(renamed, "RENAMED", {"train.rounds": "train.epochs", "register.title": "report.title"})


def test_an_old_name_in_the_file_is_read_and_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "params.yaml").write_text("train: {rounds: 3, seed: 1}\nregister: {title: x, name: y}\nreport: {}\n")
    for _ in range(2):
        sections = read_params(tmp_path / "params.yaml")
    assert sections == {"train": {"epochs": 3, "seed": 1}, "register": {"name": "y"}, "report": {"title": "x"}}
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "train.rounds" in told[0] and "train.epochs" in told[0] and "report.title" in told[1]


def test_an_old_name_in_an_override_replaces_the_value_under_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert overlay({"train": {"epochs": 3}}, ["train.rounds=5"]) == {"train": {"epochs": 5}}
    assert "train.rounds" in capsys.readouterr().err


def test_what_a_run_kept_is_read_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    kept = {"train": {"rounds": 3}}
    assert with_current_names(kept) == {"train": {"epochs": 3}}
    assert kept == {"train": {"rounds": 3}}
    assert capsys.readouterr().err == ""


def test_a_setting_under_both_names_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train: {rounds: 3, epochs: 4}\n")
    with pytest.raises(InputError, match=r"params\.yaml gives train\.epochs twice.*remove train\.rounds"):
        read_params(tmp_path / "params.yaml")
