"""Holds that the names of tags and variables, which are formats, stand in one module."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.tracking import tags

ROOT = Path(__file__).parents[3]
TAGS = Path(tags.__file__)
PRODUCT = [path for folder in ("darkroom", "components", "pipelines") for path in (ROOT / folder).rglob("*.py") if path != TAGS]
VALUES = {value for name, value in vars(tags).items() if name.isupper()}
_NAME = re.compile(r"DARKROOM_[A-Z_]*|\b(?:darkroom|mlflow)\.(?:[A-Za-z_]+(?:\.[A-Za-z_]+)*)?")
_FILES = {"mlflow.db", "mlflow.md"}


def texts(source: str) -> Iterator[str]:
    """All strings of a module, parts of f-strings among them, without docstrings."""
    docs, tree = set(), ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            docs.add(id(body[0].value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def spelled(source: str) -> set[str]:
    """What a module spells that looks like the name of a tag or a variable, and is no module or file."""
    found = {match.group() for text in texts(source) for match in _NAME.finditer(text)}
    return {name for name in found - _FILES if not _is_module(name)}


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return name not in VALUES and not name.endswith(".") and (path.with_suffix(".py").is_file() or path.is_dir())


@pytest.mark.parametrize(
    "source",
    ['A = "darkroom.new"', 'A = f"darkroom.{name}"', "A = \"tags.`darkroom.pid` LIKE '%'\"", 'A = "mlflow.note"', 'A = ["DARKROOM_X"]'],
)
def test_a_name_that_a_module_spells_is_found(source: str) -> None:
    assert spelled(source)


def test_no_other_module_spells_a_tag_or_a_variable() -> None:
    templates = {ROOT / "pipelines" / "scaffold.py"}  # holds source code of a new step, with its imports
    assert len(PRODUCT) > 200
    assert {
        path.relative_to(ROOT).as_posix(): names for path in PRODUCT if path not in templates and (names := spelled(path.read_text()))
    } == {}


def test_the_module_imports_nothing_and_no_two_names_mean_the_same() -> None:
    source = ast.parse(TAGS.read_text())
    assert not [node for node in ast.walk(source) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert len(VALUES) == len([name for name in vars(tags) if name.isupper()])
