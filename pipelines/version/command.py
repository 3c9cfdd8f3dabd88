"""Commands about data."""

import json
from pathlib import Path
from typing import Annotated

import typer

from darkroom.system.errors import InputError
from pipelines.options import Json


def sample(folder: Annotated[Path, typer.Argument(help="A folder that is missing or empty.")] = Path("data")) -> None:
    """Lays out the sample: scikit-learn's handwritten digits as PNG files.

    Example: `darkroom data sample`
    """
    from pipelines.version.sample import write_sample

    print(f"{write_sample(folder)} images in {folder}/")


def version(
    source: Annotated[Path, typer.Argument(help="A folder, a table of labels, a zip or a tar.")] = Path("data"), as_json: Json = False
) -> None:
    """Shows the data's version, and whether it is the one that its .dvc file records; exit status 2 where it is not.

    Example: `darkroom data version`
    """
    from darkroom.versions import data_version as versions

    version = versions.data_version(source)
    if message := versions.difference(source, version):
        raise InputError(message)
    print(json.dumps({"data_version": version}) if as_json else version)
