import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.system.errors import InputError
from pipelines.scaffold import make_component

ROOT = Path(__file__).parent.parent.parent


def test_a_new_step_passes_its_own_test_and_the_linter(tmp_path: Path) -> None:
    made = make_component("calibrate", tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "components/calibrate/__init__.py",
        "components/calibrate/calibrate.py",
        "components/calibrate/component.py",
        "tests/components/calibrate/test_calibrate.py",
    ]
    lint = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
    subprocess.run(lint, check=True, capture_output=True)
    script = (
        f"import components, sys; components.__path__.append({str(tmp_path / 'components')!r}); import pytest; "
        f"sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', {str(tmp_path / 'tests')!r}]))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["", "two words", "Calibrate", "../evil", "größe"])
def test_a_name_that_is_no_verb_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="give a verb in lower-case letters"):
        make_component(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_step_is_not_overwritten(tmp_path: Path) -> None:
    make_component("calibrate", tmp_path)
    with pytest.raises(InputError, match="choose another NAME"):
        make_component("calibrate", tmp_path)
