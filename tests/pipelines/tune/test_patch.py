"""A patch of `params.yaml`: the settings change, and nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest

from darkroom.system.config import read_params
from darkroom.system.errors import InputError
from pipelines.tune.patch import patch, patched
from tests.pipelines.conftest import ROOT

BEST = {"train.learning_rate": 0.00123, "train.optimizer": "sgd", "train.seed": 7}


def test_settings_are_written_into_the_projects_file_and_every_comment_stays(tmp_path: Path) -> None:
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    before, after = path.read_text().splitlines(), patched(path, BEST).splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 3
    assert all(old.partition("#")[2] == new.partition("#")[2] != "" for old, new in changed)
    assert {old.index("#") - new.index("#") for old, new in changed} == {0}
    (tmp_path / "change.patch").write_text(patch(path, BEST))
    subprocess.run(["patch", "-p1", "-s", "-i", "change.patch"], cwd=tmp_path, check=True)
    assert path.read_text().splitlines() == after
    assert {name: read_params(path)["train"][name] for name in ("learning_rate", "optimizer", "seed")} == {
        "learning_rate": 0.00123,
        "optimizer": "sgd",
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train:\n  epochs: 3\n", "train:\n  dropout: 0.2\n  epochs: 3\n"),
        ("split:\n  seed: 1\n", "split:\n  seed: 1\n\ntrain:\n  dropout: 0.2\n"),
        (
            "train: # the training\n    dropout: 0.5 # much\nsplit:\n  dropout: 1\n",
            "train: # the training\n    dropout: 0.2  # much\nsplit:\n  dropout: 1\n",
        ),
        ("train:\n  dropout:   # none\n", "train:\n  dropout: 0.2  # none\n"),
    ],
    ids=["a setting that is not there", "a section that is not there", "another layout", "no value"],
)
def test_a_file_of_any_layout_is_changed_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    assert patched(path, {"train.dropout": 0.2}) == expected


def test_a_section_on_one_line_is_left_to_the_person(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {dropout: 0.5}\n")
    with pytest.raises(InputError, match=r"train\.dropout in it by hand"):
        patched(path, {"train.dropout": 0.2})
    assert path.read_text() == "train: {dropout: 0.5}\n"
