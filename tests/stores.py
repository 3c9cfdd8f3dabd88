"""MLflow stores that are laid out once and copied: making one, or a run or a version in it, takes MLflow a second."""

import shutil
from pathlib import Path

import pytest

from darkroom.tracking.sqlite_store import ARTIFACTS


def copy_database(database: Path, folder: Path) -> Path:
    """Copies a store's database into a folder, where a link leads to the artifacts that it names."""
    artifacts = database.parent / ARTIFACTS
    if artifacts.exists():
        (folder / ARTIFACTS).symlink_to(artifacts.resolve())
    return shutil.copyfile(database, folder / "mlflow.db")


def use_copy(database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes a copy of a store's database the store of this process and of those that it starts.

    Args:
        database: The database to copy. The artifacts beside it are shared by all of its copies: leave them as they are.
        folder: Where the copy is placed; made where it is missing.
        monkeypatch: For how long.

    Returns:
        The copy.
    """
    folder.mkdir(exist_ok=True)
    copy = copy_database(database, folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return copy
