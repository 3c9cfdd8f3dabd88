"""A new step, from `make component` to a run of it, in a copy of the product."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components import STEPS
from darkroom import manifest
from darkroom.manifest import Manifest, make_table
from darkroom.system.errors import InputError
from pipelines.scaffold import make_component

ROOT = Path(__file__).parent.parent.parent
NAME = "calibrate"
RUN = """
import sys
from pathlib import Path
import pytest
from kfp.dsl import Dataset, Metrics
from components.calibrate.component import calibrate_component
from pipelines.params_file import write_params
from pipelines.version.dvc_file import dvc_text

write_params(Path("params.yaml"))
Path("dvc.yaml").write_text(dvc_text())
splits, table, metrics = (kind(uri=str(Path(name).absolute())) for name, kind in
                          (("splits", Dataset), ("performed", Dataset), ("measures.json", Metrics)))
calibrate_component.python_func(splits=splits, calibrate_table=table, metrics=metrics, config={"seed": 3}, code_version="")
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", "tests/components/calibrate"]))
"""


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A Python process in a copy of the product, which must go well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")} | {"PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product with a new step, which was run in every way."""
    folder = tmp_path_factory.mktemp("project")
    for floor in ("pipelines", "components", "darkroom"):
        shutil.copytree(ROOT / floor, folder / floor, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "made").write_text(python(folder, "-m", "pipelines.scaffold", NAME).stdout)
    add(folder / "components" / "__init__.py", '"split", ', f'"split", "{NAME}", ')
    add(folder / "pipelines" / "training.py", "    Task(split_component),\n", f"    Task(split_component),\n    Task({NAME}_component),\n")
    add(folder / "pipelines" / "training.py", "from pipelines", f"from components.{NAME}.component import {NAME}_component\nfrom pipelines")
    table = make_table({"path": ["a.png"], "image_id": ["1"], "label": ["cat"], "split": ["test"]})
    Manifest(table, ("cat", "dog"), "binary", "v1").write(folder / "splits")
    python(folder, "-c", RUN)
    return folder


def add(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_the_new_step_is_formatted_and_passes_the_linter(project: Path) -> None:
    new = [f"components/{NAME}", f"tests/components/{NAME}"]
    python(project, "-m", "ruff", "check", "--no-cache", *new)
    python(project, "-m", "ruff", "format", "--no-cache", "--check", *new)


@pytest.mark.slow
def test_the_command_says_which_files_it_made_and_what_comes_next(project: Path) -> None:
    files = ["__init__.py", "config.py", f"{NAME}.py", "component.py"]
    made = [*(f"components/{NAME}/{name}" for name in files), f"tests/components/{NAME}/test_{NAME}.py"]
    said = (project / "made").read_text()
    assert said.splitlines()[: len(made)] == made
    assert all((project / name).is_file() for name in made)
    assert f"Task({NAME}_component)" in said


@pytest.mark.slow
def test_a_runner_performs_the_new_step(project: Path) -> None:
    assert json.loads((project / "measures.json").read_text()) == {"num_images": 1.0}
    assert manifest.read(project / "performed") == manifest.read(project / "splits")


@pytest.mark.slow
def test_the_new_step_runs_by_hand(project: Path) -> None:
    words = ["--splits", "splits", f"--{NAME}-table", "by_hand", "--metrics", "by_hand.json", "--set", f"{NAME}.seed=3"]
    python(project, "-m", "components", NAME, *words)
    assert json.loads((project / "by_hand.json").read_text()) == {"num_images": 1.0}
    assert manifest.read(project / "by_hand") == manifest.read(project / "splits")


@pytest.mark.slow
def test_the_settings_and_the_stages_have_the_new_step(project: Path) -> None:
    sections = yaml.safe_load((project / "params.yaml").read_text())
    assert sections[NAME] == {"seed": 0}
    assert set(sections) == {NAME, *yaml.safe_load((ROOT / "params.yaml").read_text())}
    stage = yaml.safe_load((project / "dvc.yaml").read_text())["stages"][NAME]
    assert stage["cmd"].startswith("${python} -m components " + NAME)
    assert STEPS.index("split") + 1 == list(sections).index(NAME)


@pytest.mark.parametrize("name", ["", "two words", "Calibrate", "../evil", "größe", "assert"])
def test_a_name_that_is_no_verb_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="NAME is"):
        make_component(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_step_is_not_overwritten(tmp_path: Path) -> None:
    make_component(NAME, tmp_path)
    with pytest.raises(InputError, match="choose another NAME"):
        make_component(NAME, tmp_path)
