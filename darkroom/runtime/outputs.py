"""What a step writes, and that it writes it over nothing else that it was given."""

import ast
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError


def outputs_of(step: str) -> list[str]:
    """The arguments of a step that say where something is written, `metrics` among them, as its Kubeflow face tells them.

    Args:
        step: The step's name. Its face is read, not imported, since kfp takes a second to import.
    """
    found = importlib.util.find_spec(f"components.{step}.component")
    face = ast.parse(Path(str(found and found.origin)).read_text(encoding="utf-8"))
    (function,) = [node for node in ast.walk(face) if isinstance(node, ast.FunctionDef)]
    return [argument.arg for argument in function.args.args if "Output[" in ast.unparse(argument)]


def refuse_overwriting(step: str, paths: Mapping[str, Any]) -> None:
    """Refuses an output that is the place of another path of the step, or a folder around it: one would replace the other.

    Args:
        step: The step's name.
        paths: Its paths, inputs and outputs, by name.

    Raises:
        InputError: It is so of two of them.
    """
    places = {name: Path(path).resolve() for name, path in paths.items() if path and "://" not in str(path)}
    for output in outputs_of(step):
        for name, place in places.items():
            if name != output and output in places and place.is_relative_to(places[output]):
                what = "is" if place == places[output] else "lies in"
                raise InputError(f"--{_option(name)} {what} {paths[output]}, which --{_option(output)} would replace: name another path")


def _option(name: str) -> str:
    return name.replace("_", "-")
