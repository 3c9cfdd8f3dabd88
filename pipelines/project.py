"""The project: the folder in which a command works, with its settings, its runs and its MLflow store.

It is found as git finds a repository: from the current folder upward, and else beside this code, where that is a checkout.
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError
from darkroom.versions.addresses import is_address
from darkroom.versions.code import ROOT as CODE
from pipelines.options import DEFAULT_PARAMS

STORE = "mlflow.db"


def find_project(here: Path, code: Path | None = CODE) -> Path:
    """The folder that a command works in.

    Args:
        here: The current folder; it is the answer where there is no project.
        code: Where this code stands, or none where it is no project.
    """
    upward = (here, *here.parents)
    wanted = [folder / mark for mark in (DEFAULT_PARAMS, STORE) for folder in upward] + ([code / DEFAULT_PARAMS] if code else [])
    return next((path.parent for path in wanted if path.is_file()), here)


def in_project(command: Callable[..., None]) -> Callable[..., None]:
    """A command that works in the project, wherever it is started; paths that a person typed are meant from where they are."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(command).parameters.items()}

    @functools.wraps(command)
    def work(**options: Any) -> None:
        here = _current_folder()
        typed = {name: value for name, value in options.items() if value != defaults[name]}
        project = find_project(here, None if "params" in typed else CODE)
        if project != here:
            options |= {name: _absolute(value) for name, value in typed.items()}
            os.chdir(project)
            print(f"note: works in the project {project}", file=sys.stderr)
        command(**options)

    return work


def bundle_name(text: str) -> str:
    """A model as a person named it; a bundle's folder is named from the root, because a command works in the project.

    A plain name is one of the registry also where a folder of that name lies beside, as `data` does, unless the folder holds a model.
    """
    from darkroom.model import CARD

    path = Path(text)
    is_folder = text.startswith((".", "/")) or (path / CARD).is_file() or (len(path.parts) > 1 and path.is_dir())
    return str(path.absolute()) if is_folder else text


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise InputError("the current folder was removed: change to another one") from None


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(one) for one in value]
    return value.absolute() if isinstance(value, Path) and not is_address(value) else value
