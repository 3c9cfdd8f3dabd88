"""Holds the shape of the house: folder = verb = function = section in params.yaml = test file, and who may import whom."""

import ast
import re
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from components import STEPS
from darkroom.runtime.step import arguments_of, function_of
from darkroom.system.config import LISTS
from darkroom.versions.code import code_files
from pipelines.params_file import configs

ROOT = Path(__file__).parent.parent
FLOORS = ("darkroom", "components", "pipelines")
MAP = "| folder | what is decided there |"  # the head of the README's map


def test_every_folder_is_a_step_in_flow_order() -> None:
    folders = {path.parent.name for path in (ROOT / "components").glob("*/component.py")}
    assert folders == set(STEPS)
    assert list(yaml.safe_load((ROOT / "params.yaml").read_text())) == [*configs(), *LISTS]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_has_its_files_its_function_and_its_test(step: str) -> None:
    assert function_of(step).__name__ == step
    assert (ROOT / "components" / step / "component.py").is_file()
    assert (ROOT / "tests" / "components" / step / f"test_{step}.py").is_file()


@pytest.mark.parametrize("section", configs())
def test_every_setting_is_described(section: str) -> None:
    fields = configs()[section].model_fields
    assert [name for name, field in fields.items() if not field.description] == []


@pytest.mark.parametrize("step", STEPS)
def test_a_component_passes_on_what_its_function_takes(step: str) -> None:
    face = ast.parse((ROOT / "components" / step / "component.py").read_text())
    (function,) = [node for node in ast.walk(face) if isinstance(node, ast.FunctionDef)]
    offered = {argument.arg for argument in function.args.args}
    assert {"config", *arguments_of(step)} <= offered
    assert function.end_lineno - function.lineno < 45  # type: ignore[operator]


def test_the_steps_logic_imports_no_framework(loaded_modules: dict[str, set[str]]) -> None:
    assert "components.train.train" in loaded_modules["steps"]
    assert not loaded_modules["steps"] & {"kfp", "mlflow", "dvc"}


def test_settings_are_read_without_what_the_steps_need(loaded_modules: dict[str, set[str]]) -> None:
    assert "components.train.config" in loaded_modules["settings"]
    assert not loaded_modules["settings"] & {"torch", "pandas", "sklearn", "mlflow"}


def test_arrows_between_steps_point_upstream() -> None:
    for number, step in enumerate(STEPS):
        used = {path.parent.name for path in code_files(step)} & set(STEPS) - ({"train"} if step == "tune" else set())
        assert used <= set(STEPS[: number + 1]), f"{step} imports a step that comes after it"


def test_mlflow_is_no_package_and_reached_through_tracking_and_registry() -> None:
    assert not list((ROOT / "mlflow").rglob("__init__.py"))
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}
    importing = {path for path, text in texts.items() if re.search(r"^ *(from|import) mlflow", text, re.MULTILINE)}
    elsewhere = {path.as_posix() for path in importing if path.parts[:2] not in (("darkroom", "tracking"), ("darkroom", "registry"))}
    assert elsewhere == {"pipelines/check/checks.py", "pipelines/run/step_server.py"}, "these load it before threads or forks need it"


def test_the_pipelines_outputs_become_inputs_of_the_same_name() -> None:
    made: set[str] = {"data"}
    for step in STEPS:
        paths = [name for name, parameter in arguments_of(step).items() if parameter.annotation is Path]
        face = (ROOT / "components" / step / "component.py").read_text()
        inputs = {name for name in paths if f"{name}: Output[" not in face}
        assert inputs - {"pruned_evaluation", "floor_evaluation"} <= made, f"{step} takes what nobody makes"
        made |= set(paths)


@pytest.fixture(scope="module")
def nodes() -> list[tuple[str, ast.AST]]:
    """Every node of the product's syntax trees, with its file."""
    files = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    return [(path.relative_to(ROOT).as_posix(), node) for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def test_functions_fit_on_a_screen(nodes: list[tuple[str, ast.AST]]) -> None:
    functions = [(file, node) for file, node in nodes if isinstance(node, ast.FunctionDef)]
    assert [f"{file}:{node.name}" for file, node in functions if (node.end_lineno or node.lineno) - node.lineno >= 70] == []


def test_text_files_are_utf_8_whatever_the_locale(nodes: list[tuple[str, ast.AST]]) -> None:
    calls = [(file, node) for file, node in nodes if isinstance(node, ast.Call)]
    assert [
        f"{file}:{node.lineno}" for file, node in calls if _is_text(node) and "encoding" not in {word.arg for word in node.keywords}
    ] == []


def _is_text(call: ast.Call) -> bool:
    """Whether a call reads or writes a file or a pipe as text."""
    if any(word.arg in ("text", "universal_newlines") for word in call.keywords):
        return True
    name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
    modes = [argument.value for argument in call.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)]
    modes = [mode for mode in modes if set(mode) <= set("rwaxt+")]
    return name in ("read_text", "write_text") or (name == "open" and bool(modes))


def readme_rows(head: str) -> list[list[str]]:
    """The cells of the table of the README that has this head."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").split("\n")
    rows = takewhile(lambda line: line.startswith("|"), lines[lines.index(head) + 2 :])
    return [line.strip("| ").split(" | ") for line in rows]


def test_the_map_is_short_and_names_what_is_there() -> None:
    rows = readme_rows(MAP)
    named = [name for row in rows for name in re.findall(r"`([\w./]+)`", row[0])]
    assert len(rows) <= 12
    assert [name for name in named if not any((ROOT / folder / name).exists() for folder in ("", "darkroom", "pipelines"))] == []


def test_every_layout_in_the_readme_has_its_test() -> None:
    rows = readme_rows("| layout | how it is read | test |")
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(rows) > 9
    assert [row for row in rows if len(row) != 3 or f"def {row[2].strip('`')}(" not in tests] == []
