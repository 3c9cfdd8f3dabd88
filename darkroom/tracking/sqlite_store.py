"""A store that is an SQLite file, with what its runs keep in `mlartifacts` beside it, wherever both are moved to."""

import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.locks import locked

ARTIFACTS = "mlartifacts"
_ADDRESS = re.compile(r"sqlite(\+\w+)?:///(?P<path>[^?]+)(?P<query>\?.*)?")
_HEADER = b"SQLite format 3\0"  # how such a file begins
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)  # columns of MLflow's that hold addresses of artifacts


def file_of(uri: str) -> Path | None:
    """The file that an address such as `sqlite:///mlflow.db` names, from the root; nothing where it names none."""
    match = _ADDRESS.fullmatch(uri)
    return Path(match["path"]).expanduser().absolute() if match and match["path"] != ":memory:" else None


def from_root(uri: str) -> str:
    """The same address, whatever the current folder; one that names no SQLite file as it is."""
    path, match = file_of(uri), _ADDRESS.fullmatch(uri)
    return f"sqlite:///{path}{match['query'] or ''}" if path and match else uri


def create(path: Path, connect: Callable[[str], object]) -> None:
    """Makes a store beside its place and renames it, under a lock: MLflow's own creation can be caught half-done.

    Args:
        path: The file; one that is there stays.
        connect: Lets MLflow make a store at an address.
    """
    if path.exists():
        return
    lock = path.with_name(f".{path.name}.lock")
    with locked(lock):
        if not path.exists():
            with whole(path) as draft:
                connect(f"sqlite:///{draft}")
        lock.unlink()  # a process that waits for it makes it anew


def check(path: Path) -> None:
    """Raises `ValueError` where the file is no database: MLflow asks again for 100 s before it says so."""
    with path.open("rb") as file:
        if file.read(len(_HEADER)) not in (b"", _HEADER):
            raise ValueError("the file is not a database")


def moved_from(path: Path) -> list[Path]:
    """The folders in which a store was when its runs were made; empty where it is there."""
    return [_path(root).parent for root in _roots_elsewhere(path)]


def _roots_elsewhere(path: Path) -> list[str]:
    """Where what the runs keep stands, as MLflow has it, where that is not beside the store."""
    own = path.parent / ARTIFACTS
    with _open(path) as (store, columns):
        if _PLACES[0] not in columns:
            return []
        found = store.execute(
            "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE ?", (f"file:///%/{ARTIFACTS}",)
        )
        roots = [str(root) for (root,) in found]
    return [root for root in roots if root != own.as_uri() and not (_path(root).exists() and own.exists() and own.samefile(_path(root)))]


def re_root(path: Path) -> None:
    """Makes a store that was moved or copied with what its runs keep name the files beside it, and says so.

    Args:
        path: The store.

    Raises:
        InputError: What its runs keep is not beside it, but where it was.
    """
    for root in _roots_elsewhere(path):
        own = path.parent / ARTIFACTS
        with _open(path) as (store, columns):
            inside = f"substr({{0}}, 1, {len(root) + 1}) = ?"  # not LIKE, to which an underscore is any character
            runs = store.execute(f"SELECT artifact_uri FROM runs WHERE {inside.format('artifact_uri')}", (f"{root}/",))
            kept = [str(place).removeprefix(root).strip("/") for (place,) in runs if _path(place).exists()]
            if not all((own / unquote(name)).exists() for name in kept):
                raise InputError(
                    f"{path} was moved or copied without what its runs keep, which is in {_path(root)}",
                    f"move or copy that folder to {own}, or name the store where it was in MLFLOW_TRACKING_URI",
                )
            for table, column in [place for place in _PLACES if place in columns]:
                new = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR {inside.format(column)}"
                store.execute(new, (own.as_uri(), len(root) + 1, root, f"{root}/"))
        print(f"note: {path} was moved or copied from {_path(root).parent}: what its runs keep is read from {own} now", file=sys.stderr)


@contextmanager
def _open(path: Path) -> Iterator[tuple[sqlite3.Connection, set[tuple[str, str]]]]:
    """The store, in one transaction, and which of the columns that hold addresses it has."""
    with closing(sqlite3.connect(path, timeout=20)) as store, store:
        tables = {table for table, _ in _PLACES}
        yield store, {(table, str(column[1])) for table in tables for column in store.execute(f"PRAGMA table_info({table})")}


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))
