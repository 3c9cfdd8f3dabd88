"""The check of Darkroom's own code: which one runs, and whether something else bears its packages' names."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

from darkroom.versions.code import ROOT
from pipelines.check.doctor import Finding

NAMES = ("pipelines", "components", "darkroom")


def check_code(project: Path | None = None) -> Finding:
    """Whether the code is that of the project, and whether other packages bear the names of its own.

    Args:
        project: The project's folder; the current one where none is given.
    """
    here = (project or Path.cwd()).resolve()
    if (here / "pipelines" / "cli.py").is_file() and here != ROOT:
        return Finding(
            "warning", f"the code in {ROOT} runs, not that in {here}", f"to run that, `make install` in {here}, and use its .venv"
        )
    paths = [path for path in sys.path if Path(path).resolve() != ROOT]
    found = [spec.origin for name in NAMES if (spec := PathFinder.find_spec(name, paths)) and spec.origin]
    if found:
        return Finding("warning", f"{', '.join(found)} bear names of Darkroom's packages", "nothing: it uses its own; see PYTHONPATH")
    return Finding("ok", f"Darkroom in {ROOT}")
