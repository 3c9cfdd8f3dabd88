"""Commands about Kubeflow."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import DEFAULT_PARAMS, Params, Sets


def compile(
    output: Annotated[Path, typer.Option("--output", "-o", help="The YAML file to write.")] = Path("build/training.yaml"),
    sets: Sets = None,
    params: Params = DEFAULT_PARAMS,
) -> None:
    """Writes the pipeline as Kubeflow's YAML, with the settings as its default parameters.

    Example: `darkroom compile -o training.yaml --set platform.image=registry.example.org/darkroom@sha256:...`
    """
    from pipelines.kubeflow import NO_VOLUME, compile_pipeline, default_arguments
    from pipelines.runs import read_settings

    settings, platform = read_settings(sets or [], params)
    compile_pipeline(output, platform, default_arguments(settings))
    if not platform.volume:
        print(f"note: {NO_VOLUME}", file=sys.stderr)
    print(output)
