"""Writes the versions that DVC's stages depend on: of the data, and of the code behind each step.

`python -m pipelines.version.stages data build/versions` stops where the data is not what its `.dvc` file records. Were the data
itself a dependency of a stage, DVC would rewrite that file without a message.
"""

import argparse
import sys
from pathlib import Path

from components import STEPS
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.versions.code import code_version
from darkroom.versions.data_version import data_version, difference
from pipelines.exit_status import exit_status
from pipelines.params import STARTED, frozen, read_settings


def write_versions(data: Path, folder: Path) -> None:
    """Writes the versions of the data and of what settings name (`evaluation`, `verdicts` ...), and a file a step, its code's.

    Raises:
        InputError: The data is missing, or differs from what its `.dvc` file records; or further data is not what the settings name.
    """
    settings = frozen(read_settings([])[0])
    version = data_version(data)
    if message := difference(data, version):
        raise InputError(message)
    with whole(folder) as draft:
        draft.mkdir()
        (draft / "data").write_text(f"{version}\n", encoding="utf-8")
        (draft / "evaluation").write_text(f"{settings['evaluate']['data_version']}\n", encoding="utf-8")
        (draft / "unlabelled").write_text(f"{settings['pretrain']['data_version']}\n", encoding="utf-8")
        (draft / "verdicts").write_text(f"{settings['clean']['verdicts_version']}\n", encoding="utf-8")
        for step in STARTED:
            (draft / f"{step}_weights").write_text(f"{settings[step]['weights_version']}\n", encoding="utf-8")
        for step in STEPS:
            if step == "register":  # DVC's stages register nothing
                continue
            (draft / step).write_text(f"{code_version(step)}\n", encoding="utf-8")


def main() -> int:
    """Writes the versions that the command line asks for; the exit status is 2 where the data is not what is recorded."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.version.stages", description="Writes the versions for DVC's stages.")
    parser.add_argument("data", type=Path, help="the data source")
    parser.add_argument("folder", type=Path, help="where a file a version is written")
    options = parser.parse_args()
    return exit_status(lambda: write_versions(options.data, options.folder))


if __name__ == "__main__":
    sys.exit(main())
