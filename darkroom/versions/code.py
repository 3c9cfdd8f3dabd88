"""The version of a step's code: caches look into neither imported modules nor locked packages, so a hash of both is a parameter."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path

from darkroom.tracking.tags import CODE

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"


@cache
def code_version(step: str) -> str:
    """Hash of the code that a step uses, directly or through others, and of the locked packages.

    Args:
        step: A step's name, such as `split`.

    Returns:
        16 hexadecimal digits.
    """
    return _version(LOCK.read_bytes() if LOCK.exists() else b"", code_files(step))


@cache
def module_version(module: str) -> str:
    """Hash of the code that is loaded with a module, without the locked packages, 16 hexadecimal digits.

    Args:
        module: Its name, such as `darkroom.pixels`.
    """
    return _version(b"", imported_files(module))


def code_tags(steps: Iterable[str]) -> dict[str, str]:
    """Tags of a run that say which code its steps have."""
    return {CODE + step: code_version(step) for step in steps}


def code_files(step: str) -> list[Path]:
    """The files of the product that a step uses, see `imported_files`."""
    return imported_files(f"components.{step}.{step}")


def imported_files(module: str) -> list[Path]:
    """The files of the product that are loaded with a module: its own, its packages', those of what it imports, late or not, and so on.

    A template counts that stands beside the module that it is named after.
    """
    found: set[Path] = set()
    seen: set[str] = set()
    pending = _with_packages(module)
    while pending:
        name = pending.pop()
        if name not in seen and (path := _file(name)):
            found.update([path, *path.parent.glob(f"{path.stem}.*.jinja")])
            pending += _imports(path.read_text(encoding="utf-8"))
        seen.add(name)
    return sorted(found)


@cache
def _imports(text: str) -> list[str]:
    """The modules that a file of this text imports, and their packages; ten steps share most of their files."""
    names = []
    for node in _statements(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    own = [name for name in names if name.split(".")[0] in ("components", "darkroom")]
    return sorted({inner for name in own for inner in _with_packages(name)})


def _version(start: bytes, files: Iterable[Path]) -> str:
    digest = hashlib.sha256(start)
    for path in files:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A node's statements and theirs, without their expressions, in which no import can stand and most of a file's nodes do."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, field, ()):
            yield inner
            yield from _statements(inner)


def _with_packages(module: str) -> list[str]:
    """A module's packages, whose `__init__.py` Python runs first, and the module: `a`, `a.b` and `a.b.c` of `a.b.c`."""
    return list(accumulate(module.split("."), "{}.{}".format))


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
