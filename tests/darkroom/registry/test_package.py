"""What travels with a registered model."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from darkroom.registry.package import _REQUIREMENTS, copy_code


def test_the_code_of_a_model_imports_no_package_that_its_requirements_lack(tmp_path: Path) -> None:
    package, script = copy_code(tmp_path)
    modules = [ast.parse(path.read_text()) for path in (*package.rglob("*.py"), script)]
    nodes = [node for module in modules for node in module.body]  # what is imported later is so where it is needed
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    names = {name.partition(".")[0] for name in found} - {"", package.name, *sys.stdlib_module_names}
    assert {"numpy", "PIL"} <= names
    distributions = {name: {one.lower() for one in packages_distributions()[name]} for name in names}
    assert {name: found for name, found in distributions.items() if not found.intersection(_REQUIREMENTS)} == {}
