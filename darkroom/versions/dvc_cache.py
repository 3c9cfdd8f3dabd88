"""DVC's cache: whether it holds a data version, and the files of one laid out as links, which takes no room and copies nothing."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from darkroom.versions.repository import own_repository, refuse_escape


@contextmanager
def linked(version: str, name: str, *, pull: bool) -> Iterator[Path | None]:
    """The data of a version, as links into DVC's cache, while the block runs.

    Args:
        version: The md5 in a `.dvc` file.
        name: What the folder or file is called.
        pull: Whether what the cache lacks is fetched from the repository's default remote.

    Yields:
        Where it is laid out; nothing where DVC does not hold all of it, or where there is no repository.

    Raises:
        InputError: Its list of files leads out of the folder, or DVC can't open its repository.
    """
    from dvc.exceptions import NotDvcRepoError

    with tempfile.TemporaryDirectory(prefix="darkroom-") as temporary:
        target: Path | None = Path(temporary) / name
        try:
            with own_repository() as repository:
                if not hold(repository, version, pull=pull):
                    target = None
                else:
                    _link(repository.cache.local, version, Path(temporary) / name)
        except NotDvcRepoError:
            target = None
        yield target


def hold(repository: Any, version: str, *, pull: bool) -> bool:
    """Whether a repository's cache holds all of a data version, where asked after it was pulled from the default remote."""
    from dvc.config import NoRemoteError
    from dvc.exceptions import DvcException

    storage = repository.cache.local
    if pull:
        with suppress(NoRemoteError, DvcException, OSError):  # no remote, or it does not answer: like a remote without the data
            while (missing := _missing(storage, version)) and repository.cloud.pull(missing).transferred:
                pass  # first the list of a folder's files, then the files
    return not _missing(storage, version)


def files_of(storage: Any, version: str) -> dict[str, str]:
    """The md5s of a version's files by their paths; of a file, its own under an empty path.

    Args:
        storage: DVC's cache, or a remote's storage, which must hold the list of a folder's files.
        version: The md5 in a `.dvc` file.

    Raises:
        InputError: A path leads out of the folder.
    """
    from dvc_data.hashfile import load
    from dvc_data.hashfile.hash_info import HashInfo

    name = HashInfo("md5", version)
    if not name.isdir:
        return {"": version}
    tree: Any = load(storage, name)
    found = {"/".join(parts): str(part.value) for parts, _, part in tree}
    refuse_escape(found, f"the data version {version}")
    return found


def _missing(storage: Any, version: str) -> list[Any]:
    """What a storage lacks of a version: the list of a folder's files, or some of the files."""
    from dvc_data.hashfile.hash_info import HashInfo

    if not storage.exists(version):
        return [HashInfo("md5", version)]
    return [HashInfo("md5", md5) for md5 in files_of(storage, version).values() if not storage.exists(md5)]


def _link(storage: Any, version: str, target: Path) -> None:
    for path, md5 in files_of(storage, version).items():
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(Path(storage.oid_to_path(md5)).absolute())
