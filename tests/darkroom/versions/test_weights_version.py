"""Weights that a setting names have the version of their content."""

from pathlib import Path

import pytest

from darkroom.model import CARD, WEIGHTS
from darkroom.versions.weights_version import weights_version


def test_the_content_counts_and_not_the_place(tmp_path: Path) -> None:
    paths = [tmp_path / name / "own.pth" for name in ("a", "b", "c")]
    for path, content in zip(paths, (b"same", b"same", b"other"), strict=True):
        path.parent.mkdir()
        path.write_bytes(content)
    first, second, third = (weights_version(str(path)) for path in paths)
    assert first == second != third


def test_what_a_card_beside_them_says_of_their_inputs_counts(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    bare = weights_version(str(tmp_path / WEIGHTS))
    (tmp_path / CARD).write_text("{}")
    assert weights_version(str(tmp_path / WEIGHTS)) != bare
    assert weights_version(str(tmp_path / WEIGHTS)) == weights_version(str(tmp_path)), "a model's folder means its weights"


@pytest.mark.parametrize("named", ["", "auto", "DEFAULT", "nowhere/own.pth"])
def test_what_is_no_file_here_has_no_version(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "auto").write_bytes(b"no weights")
    (tmp_path / CARD).write_text("{}")
    assert weights_version(named) == ""
