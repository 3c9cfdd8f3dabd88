"""The doctor names what bears the names of Darkroom's packages, and says whose code runs."""

from pathlib import Path

import pytest

from darkroom.versions.code import ROOT
from pipelines.check.own_code import check_code


@pytest.mark.parametrize("name", ["pipelines", "components", "darkroom"])
def test_a_package_of_the_same_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert check_code().state == "ok"
    (tmp_path / name).mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert check_code().state == "ok", "a folder that is no package is in nobody's way"
    (tmp_path / name / "__init__.py").touch()
    found = check_code()
    assert (found.state, str(tmp_path / name) in found.found, bool(found.remedy)) == ("warning", True, True)


def test_the_code_of_another_checkout_is_told(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "cli.py").touch()
    found = check_code(tmp_path)
    assert found.state == "warning" and str(ROOT) in found.found and str(tmp_path) in found.found
    assert check_code(ROOT).state == "ok"
