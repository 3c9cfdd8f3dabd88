"""Holds the floors: imports point down only, in no circle, from no step to another; files share no name; tests mirror them."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLOORS = ("darkroom", "components", "pipelines")  # from the ground up
FACES = {"__init__.py", "__main__.py", "component.py", "config.py", "command.py"}  # the same face may have the same name


@cache
def modules() -> dict[str, Path]:
    """The files of the product by the names of their modules."""
    files = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    return {_name(path): path for path in files}


@cache
def imports() -> dict[str, frozenset[str]]:
    """What each module of the product imports of the product."""
    return {name: frozenset(_imported(name, path)) - {name} for name, path in modules().items()}


def circles() -> list[list[str]]:
    """Modules that import each other, directly or through others."""
    reached = {name: _reach(name) for name in modules()}
    knots = {frozenset(other for other in reached[name] if name in reached[other]) for name in modules() if name in reached[name]}
    return sorted(sorted(knot) for knot in knots)


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            said = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            said = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for word in said:
            while word and word not in modules():
                word = word.rpartition(".")[0]
            if word:
                yield word


def _reach(name: str) -> set[str]:
    found, left = set[str](), [name]
    while left:
        new = imports()[left.pop()] - found
        found |= new
        left += new
    return found


def test_imports_point_down() -> None:
    floor = {name: FLOORS.index(name.partition(".")[0]) for name in modules()}
    assert {(name, other) for name, found in imports().items() for other in found if floor[other] > floor[name]} == set()


def test_no_imports_go_in_a_circle() -> None:
    assert circles() == []


def test_no_step_imports_another() -> None:
    arrows = {(step_of(name), step_of(other)) for name, found in imports().items() for other in found}
    between = {(step, other) for step, other in arrows if step and other and step != other}
    assert between <= {("tune", "train")}, "what two steps need stands in darkroom/"


def step_of(module: str) -> str:
    """The step that a module belongs to, or nothing."""
    floor, _, rest = module.partition(".")
    return rest.partition(".")[0] if floor == "components" and "." in rest else ""


def test_no_two_files_share_a_name() -> None:
    names = Counter(path.name for path in modules().values() if path.name not in FACES)
    assert [name for name, number in names.items() if number > 1] == []


def test_the_tests_mirror_the_tree() -> None:
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    mirrored = [path for path in tests if path.parts[0] in FLOORS]
    assert [path for path in mirrored if not (ROOT / path.parent).is_dir()] == []
