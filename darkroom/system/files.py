"""Outputs that appear whole or not at all."""

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` when the block ends without an error.

    Args:
        path: The finished file or folder; an existing one is replaced.

    Yields:
        A path that does not exist yet, in the same folder: make a file or a folder there.

    Raises:
        InputError: There is a folder already, and of its files none would be there in the new one: it is another's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")  # containers that share a volume have processes of equal numbers
    try:
        yield draft
        if path.is_dir() or draft.is_dir():
            _refuse_foreign(path, draft)
            remove(path)
        draft.replace(path)
    finally:
        remove(draft)


def _refuse_foreign(path: Path, draft: Path) -> None:
    """Refuses a folder that is not empty where a file is to be, or a folder of other files."""
    old = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    new = {entry.name for entry in draft.iterdir()} if draft.is_dir() else {""}
    if old and new and not old & new:
        raise InputError(f"{path} is a folder with {min(old)} in it, which would be lost: name a path where nothing is, or empty it")


def remove(path: Path) -> None:
    """Removes a file or a folder, or does nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON with sorted keys, so that equal values make equal bytes."""
    with whole(path) as draft:
        draft.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Reads a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
