"""Makes the folder of a new step, with its test: `make component NAME=calibrate`."""

import argparse
import keyword
import sys
from pathlib import Path

from darkroom.system.errors import InputError
from pipelines.exit_status import exit_status

CONFIG = '''"""The settings of `{name}`."""

from pydantic import Field

from darkroom.system.config import StepConfig


class {title}Config(StepConfig):
    """What `{name}` does, in one sentence."""

    seed: int = Field(0, ge=0, lt=2**31, description="Decides every random choice.")
'''

STEP = '''"""`{name}`: what it does, in one sentence."""

from pathlib import Path

from components.{name}.config import {title}Config
from darkroom import manifest


def {name}(splits: Path, {name}_table: Path, *, config: {title}Config) -> dict[str, float]:
    """Copies the manifest: the step's work begins here.

    Args:
        splits: Manifest with its `split` column.
        {name}_table: Where the new manifest is written.
        config: Settings.

    Returns:
        The number of images.
    """
    current = manifest.read(splits)
    current.write({name}_table)
    return {{"num_images": float(len(current))}}
'''

COMPONENT = '''"""The Kubeflow face of `{name}`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def {name}_component(
    splits: Input[Dataset],
    {name}_table: Output[Dataset],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
):
    """Copies the manifest."""
    from darkroom.runtime.step import perform

    perform("{name}", config, metrics, splits=splits.path, {name}_table={name}_table.path)
'''

TEST = """from pathlib import Path

{imports}
from darkroom import manifest
from darkroom.manifest import Manifest, make_table


def test_{name}_keeps_every_image(tmp_path: Path) -> None:
    table = make_table({{"path": ["a.png"], "image_id": ["1"], "label": ["cat"], "split": ["test"]}})
    Manifest(table, ("cat", "dog"), "binary", "v1").write(tmp_path / "splits")
    measures = {name}(tmp_path / "splits", tmp_path / "{name}_table", config={title}Config())
    assert measures == {{"num_images": 1.0}}
    assert manifest.read(tmp_path / "{name}_table").table == table
"""

NEXT = """next:
  components/__init__.py: add "{name}" to STEPS, at its place in the flow
  pipelines/training.py: add Task({name}_component) to FLOW, below the tasks that make what it takes
  make params stages: writes params.yaml and dvc.yaml with the step
then write the step, its settings and its test"""


def make_component(name: str, root: Path = Path()) -> list[Path]:
    """Writes a new step's files.

    Args:
        name: A verb in lower case.
        root: The project's folder.

    Returns:
        The files.

    Raises:
        InputError: The name is no verb in lower case, or there is such a step.
    """
    if not (name.isascii() and name.isalpha() and name.islower()) or keyword.iskeyword(name):
        raise InputError(f"NAME is {name!r}: give a verb in lower-case letters, such as NAME=calibrate")
    folder, tests = root / "components" / name, root / "tests" / "components" / name
    if folder.exists():
        raise InputError(f"{folder} exists: choose another NAME")
    contents = {
        folder / "__init__.py": "",
        folder / "config.py": CONFIG,
        folder / f"{name}.py": STEP,
        folder / "component.py": COMPONENT,
        tests / f"test_{name}.py": TEST,
    }
    title = name.capitalize()
    imports = sorted([f"from components.{name}.config import {title}Config", f"from components.{name}.{name} import {name}"])
    for path, text in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=name, title=title, imports="\n".join(imports)), encoding="utf-8")
    return list(contents)


def main() -> int:
    """Makes the step that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.scaffold", description=__doc__)
    parser.add_argument("name", help="a verb in lower-case letters, such as calibrate")
    name = parser.parse_args().name
    return exit_status(lambda: print(*make_component(name), NEXT.format(name=name), sep="\n"))


if __name__ == "__main__":
    sys.exit(main())
