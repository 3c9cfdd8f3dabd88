"""Makes the folder of a new step, with its test: `make component NAME=calibrate`."""

import sys
from pathlib import Path

from darkroom.system.errors import InputError

VERB = '''"""{title}: what it does, in one sentence."""

from pathlib import Path

from pydantic import Field

from components import manifest as manifests
from darkroom.system.config import StepConfig


class {title}Config(StepConfig):
    """Settings of `{name}`."""

    seed: int = Field(0, ge=0, lt=2**31, description="Decides every random choice.")


def {name}(splits: Path, {name}d: Path, *, config: {title}Config) -> dict[str, float]:
    """Copies the manifest: the place where the step's work begins.

    Args:
        splits: Manifest with its `split` column.
        {name}d: Where the new manifest is written.
        config: Settings.

    Returns:
        The number of images.
    """
    manifest = manifests.read(splits)
    manifest.write({name}d)
    return {{"num_images": float(len(manifest))}}
'''

COMPONENT = '''"""The Kubeflow face of `{name}`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def {name}_component(
    splits: Input[Dataset],
    {name}d: Output[Dataset],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
):
    """Copies the manifest."""
    from darkroom.runtime.step import perform

    perform("{name}", config, metrics, splits=splits.path, {name}d={name}d.path)
'''

TEST = """from pathlib import Path

from components import manifest as manifests
from components.{name}.{name} import {title}Config, {name}


def test_{name}_keeps_every_image(tmp_path: Path) -> None:
    table = manifests.make_table({{"path": ["a.png"], "image_id": ["1"], "label": ["cat"], "split": ["test"]}})
    manifests.Manifest(table, ("cat", "dog"), "binary", "v1").write(tmp_path / "splits")
    assert {name}(tmp_path / "splits", tmp_path / "{name}d", config={title}Config()) == {{"num_images": 1.0}}
    assert manifests.read(tmp_path / "{name}d").table == table
"""


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
    if not (name.isascii() and name.isalpha() and name.islower()):
        raise InputError(f"NAME is {name!r}: give a verb in lower-case letters, such as NAME=calibrate")
    folder, tests = root / "components" / name, root / "tests" / "components" / name
    if folder.exists():
        raise InputError(f"{folder} exists: choose another NAME")
    contents = {
        folder / "__init__.py": "",
        folder / f"{name}.py": VERB,
        folder / "component.py": COMPONENT,
        tests / f"test_{name}.py": TEST,
    }
    for path, text in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=name, title=name.capitalize()))
    return list(contents)


if __name__ == "__main__":
    try:
        for made in make_component(sys.argv[1] if len(sys.argv) > 1 else ""):
            print(made)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print("next: write the step and its test, add its name to STEPS and a task to pipelines/training.py, then run `make params`")
