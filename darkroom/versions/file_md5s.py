"""The md5s of files, as DVC computes them, through DVC's state: files that have not changed since are not read again."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError
from darkroom.system.parallel import ordered
from darkroom.versions.repository import own_repository

_BATCH = 32  # files a thread hashes at a time: handing one over costs more than hashing a small one
SETTLED_S = 0.1  # a file that changed so short a time ago may change again within one tick of the file system's clock


def file_md5s(places: Mapping[str, str], source: Path) -> dict[str, str]:
    """The md5 of each file, from DVC's state where the file has not changed since.

    Args:
        places: Where each is, by its path; empty for a file of no bytes.
        source: Whose files they are, for a message.
    """
    present = [place for place in places.values() if place]
    try:
        with repository_here() as repository:
            found = _hashed(present, repository.cache.local.state) if repository else dict(_hash(present))
    except OSError as error:
        raise InputError(f"{source} can't be read: {error.strerror or error}: {error.filename or source}") from None
    found[""] = hashlib.md5(b"", usedforsecurity=False).hexdigest()
    return {path: found[place] for path, place in places.items()}


def _hashed(places: list[str], state: Any) -> dict[str, str]:
    """The md5 of each file, from the state where it knows the file, else computed and kept there."""
    from dvc.fs import localfs
    from dvc_data.hashfile.hash_info import HashInfo

    start = time.time()
    infos = {place: _info(place) for place in places}
    found = {place: str(known.value) for place, _, known in state.get_many(places, localfs, infos) if known}
    new = dict(_hash(place for place in infos if place not in found))
    settled = [place for place in new if infos[place]["changed"] < start - SETTLED_S]
    state.save_many([(place, HashInfo("md5", new[place]), infos[place]) for place in settled], localfs)
    return found | new


def _hash(places: Iterable[str]) -> Iterator[tuple[str, str]]:
    left = iter(places)
    batches = iter(lambda: list(islice(left, _BATCH)), [])
    return chain.from_iterable(ordered(lambda batch: [(place, _file_md5(place)) for place in batch], batches))


def _info(place: str) -> dict[str, Any]:
    """What DVC's state knows a file's content by; the time of the last change of the inode can't be set back, that of the bytes can."""
    status = Path(place).stat()
    times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
    return {"type": "file", "ino": status.st_ino, "size": status.st_size, "mtime": times, "changed": status.st_ctime}


def _file_md5(place: str) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with Path(place).open("rb", buffering=0) as file:  # faster by half than `hashlib.file_digest` for small files
        while data := file.read(2**20):
            digest.update(data)
    return digest.hexdigest()


def tree_md5(md5s: Mapping[str, str]) -> str:
    """The md5 of a folder with these files, by path, as DVC computes it."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()  # type: ignore[no-untyped-call]
    for path, md5 in md5s.items():
        tree.add(tuple(path.split("/")), None, HashInfo("md5", md5))
    tree.digest()
    return str(tree.hash_info.value)


@contextmanager
def repository_here() -> Iterator[Any]:
    """The DVC repository of the current folder, or nothing outside of one."""
    from dvc.exceptions import NotDvcRepoError

    try:
        with own_repository() as repository:
            yield repository
    except NotDvcRepoError:
        yield None
