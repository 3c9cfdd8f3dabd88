import os
import shutil
from pathlib import Path

import pytest

from components import STEPS
from darkroom.versions import code
from tests.steps import loaded_files


def names(step: str) -> set[str]:
    return {path.relative_to(code.ROOT).as_posix() for path in code.code_files(step)}


def test_a_steps_code_is_its_module_and_the_nouns_that_it_uses() -> None:
    assert {"components/clean/clean.py", "darkroom/images.py", "darkroom/manifest.py", "darkroom/issues.py"} <= names("clean")
    assert not {"components/split/split.py", "components/train/train.py", "darkroom/tracking/runs.py"} & names("clean")


def test_a_template_counts_as_code_of_the_module_beside_it() -> None:
    assert "components/report/report.html.jinja" in names("report")


@pytest.fixture(scope="module")
def loaded(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The files that each step loaded when it ran for real, see `tests/steps.py`."""
    folder = tmp_path_factory.mktemp("steps")
    store = shutil.copyfile(migrated_store, folder / "mlflow.db")
    return loaded_files(folder, {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{store}"})


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_every_file_that_a_running_step_loads_is_among_those_of_its_version(step: str, loaded: dict[str, set[str]]) -> None:
    assert {"components/__init__.py", f"components/{step}/__init__.py", f"components/{step}/{step}.py"} <= loaded[step]
    assert loaded[step] - names(step) == set()


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for floor in ("components", "darkroom"):
        shutil.copytree(code.ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "requirements.lock").write_text("one==1\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(code, "LOCK", tmp_path / "requirements.lock")
    return tmp_path


def versions() -> dict[str, str]:
    code.code_version.cache_clear()
    found = {step: code.code_version(step) for step in STEPS}
    code.code_version.cache_clear()
    return found


@pytest.mark.parametrize(
    ("changed", "affected", "unaffected"),
    [
        ("components/split/split.py", {"split"}, {"ingest", "embed", "clean", "augment", "train", "evaluate"}),
        ("darkroom/images.py", {"ingest", "embed", "clean", "split", "augment", "train", "evaluate", "prune"}, {"register"}),
        ("components/prune/component.py", set(), set(STEPS)),
        ("requirements.lock", set(STEPS), set()),
        ("darkroom/augmentation/__init__.py", {"clean", "augment", "train", "prune"}, {"ingest", "embed", "split", "evaluate", "register"}),
    ],
)
def test_a_change_touches_exactly_the_steps_that_use_it(copy: Path, changed: str, affected: set[str], unaffected: set[str]) -> None:
    before = versions()
    with (copy / changed).open("a") as file:
        file.write("# changed\n")
    after = versions()
    different = {step for step in STEPS if before[step] != after[step]}
    assert affected <= different
    assert not unaffected & different


@pytest.mark.parametrize(
    ("changed", "is_affected"),
    [("darkroom/pixels.py", True), ("darkroom/dicom.py", True), ("darkroom/manifest.py", False), ("requirements.lock", False)],
)
def test_a_modules_version_follows_the_files_that_it_loads(copy: Path, changed: str, is_affected: bool) -> None:
    found = []
    for text in ("", "# changed\n"):
        with (copy / changed).open("a") as file:
            file.write(text)
        code.module_version.cache_clear()
        found.append(code.module_version("darkroom.pixels"))
    code.module_version.cache_clear()
    assert (found[0] != found[1]) == is_affected
