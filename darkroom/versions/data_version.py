"""The version of the data: the md5 that `dvc add` would write, computed through DVC's state of files that it has hashed before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.versions.repository import is_address, own_repository, parse_address, recorded_md5, refuse_escape


def data_version(source: Path) -> str:
    """Hash of a folder or an archive as it is now; files that DVC's state knows are not read again.

    Args:
        source: A folder, or a file such as a zip; or an address of one in a DVC repository, which is asked for the md5
            that it records.

    Returns:
        What `dvc add` writes as `md5`: ends in `.dir` for a folder.

    Raises:
        InputError: There is nothing at `source`, or it can't be read.
    """
    if is_address(source):
        return recorded_md5(parse_address(source))
    from dvc.fs import localfs
    from dvc_data.hashfile.build import build

    check_source(source)
    with _storage() as (storage, ignore):
        try:
            _, _, tree = build(storage, str(source.absolute()), localfs, "md5", dry_run=True, ignore=ignore)
        except OSError as error:
            raise InputError(f"{source} can't be read: {error.strerror or error}: {error.filename or source}") from None
    return str(tree.hash_info.value)


def check_source(source: Path) -> None:
    """Raises `InputError` unless there is a file or a folder with something in it at `source`, or it is a right address."""
    if is_address(source):
        parse_address(source)
        return
    if not source.exists():
        raise InputError(f"the data source {source} does not exist: give a folder of images, or a zip or tar of one")
    if source.is_dir() and not any(source.iterdir()):
        raise InputError(f"the data source {source} is an empty folder: put images in it, in a folder a class")


def recorded_version(source: Path) -> str:
    """The md5 in the `.dvc` file beside a folder or a file, or an empty string where there is none."""
    record = source.with_name(f"{source.name}.dvc")
    if is_address(source) or not record.is_file():
        return ""
    try:
        return str(yaml.safe_load(record.read_text())["outs"][0].get("md5", ""))
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{record} is no .dvc file that DVC wrote: write it again with `dvc add {source}`") from None


def difference(source: Path, version: str) -> str:
    """One sentence that says how `source` differs from its `.dvc` file; empty where they agree or there is no such file.

    Args:
        source: The folder, such as `data`.
        version: Its `data_version` now.
    """
    recorded = recorded_version(source)
    if recorded in ("", version):
        return ""
    return (
        f"{source} differs from {source.name}.dvc (now {version[:12]}, recorded {recorded[:12]}): run `dvc add {source}` to make it "
        f"a new data version, or `dvc checkout {source}` to go back"
    )


def fetch_version(version: str, into: Path) -> bool:
    """Lays out data of a version from DVC's cache, or from the default remote of the DVC repository.

    Args:
        version: What `dvc add` wrote as `md5`.
        into: Where the folder or file appears, whole or not at all; must not exist.

    Returns:
        Whether DVC has it.

    Raises:
        InputError: Its list of files leads out of the folder.
    """
    from dvc.config import NoRemoteError
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.fs import localfs
    from dvc_data.hashfile import load
    from dvc_data.hashfile.checkout import checkout
    from dvc_data.hashfile.hash_info import HashInfo

    name = HashInfo("md5", version)
    try:
        with own_repository() as repo:
            storage = repo.cache.local
            with suppress(NoRemoteError, DvcException, OSError):  # no remote, or it does not answer: like a remote without the data
                while (missing := _missing(storage, name)) and repo.cloud.pull(missing).transferred:
                    pass  # first the list of a folder's files, then the files
            if _missing(storage, name):
                return False
            tree: Any = load(storage, name)
            refuse_escape(("/".join(parts) for parts, _, _ in tree) if name.isdir else (), f"the data version {version}")
            with whole(into) as draft:
                checkout(str(draft.absolute()), localfs, tree, storage, quiet=True)
            return True
    except NotDvcRepoError:
        return False


def _missing(storage: Any, name: Any) -> list[Any]:
    """What a storage lacks of a version: the list of a folder's files, or some of the files."""
    from dvc_data.hashfile import load

    if not storage.exists(name.value):
        return [name]
    found: Any = load(storage, name)
    parts = [part for _, _, part in found] if name.isdir else []
    return [part for part in parts if not storage.exists(part.value)]


@contextmanager
def _storage() -> Iterator[tuple[Any, Any]]:
    """DVC's local storage with its state, and its ignore rules; outside a DVC repository a storage without a state."""
    from dvc.exceptions import NotDvcRepoError

    try:
        with own_repository() as repo:
            yield repo.cache.local, repo.dvcignore
    except NotDvcRepoError:
        from dvc.fs import localfs
        from dvc_data.hashfile.db.local import LocalHashFileDB

        yield LocalHashFileDB(localfs, os.devnull, read_only=True), None  # type: ignore[no-untyped-call]
