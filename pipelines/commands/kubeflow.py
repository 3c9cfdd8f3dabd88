"""Commands about Kubeflow."""

from pathlib import Path
from typing import Annotated

import typer


def compile(output: Annotated[Path, typer.Option("--output", "-o", help="The YAML file to write.")] = Path("build/training.yaml")) -> None:
    """Writes the pipeline as Kubeflow's YAML.

    Example: `darkroom compile -o training.yaml`
    """
    from kfp import compiler

    from components.files import whole
    from pipelines.training import training

    with whole(output) as draft:
        compiled = draft.with_suffix(".yaml")
        compiler.Compiler().compile(training, str(compiled))
        compiled.rename(draft)
    print(output)
