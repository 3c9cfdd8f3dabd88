"""The data itself: files in its folder, rows of tables that name them, and what DVC keeps in its cache and its remotes."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.ingest.file_names import FileNames
from components.ingest.tables import read_table
from darkroom.data_files import is_table
from darkroom.system.errors import InputError
from darkroom.system.secrets import redact
from darkroom.verdicts import FILE as VERDICTS
from darkroom.versions.data_version import data_version, difference, recorded_version
from darkroom.versions.dvc_cache import files_of
from darkroom.versions.git_history import data_history
from darkroom.versions.repository import own_repository
from pipelines.forget.data_tables import is_decodable, rewrite, without_rows
from pipelines.forget.named import Named
from pipelines.forget.removals import Removal
from pipelines.forget.subject import Subject
from pipelines.forget.traces import all_files
from pipelines.history import Record
from pipelines.params import read_settings


def data_removals(data: Path, subject: Subject, names: Named, left: list[str]) -> Iterator[Removal]:
    """The files of the images in a folder, the rows of plain tables that name them, and then its new record.

    Args:
        data: The source.
        subject: The images.
        names: What names them.
        left: Gets the tables whose rows can't be searched, or not be taken out, a sentence each.

    Raises:
        InputError: The data is an archive that holds an image.
    """
    if data.is_file() and subject.traces.in_file(data):
        raise InputError(f"{data} is an archive that holds the image, and is not written anew", "pack it without the image")
    for place in subject.places:
        yield Removal("data", str(place), lambda place=place: place.unlink(missing_ok=True))  # type: ignore[misc]
    root, encoding = (data if data.is_dir() else data.parent), names.encoding
    beside = [] if data.is_dir() or not (root / VERDICTS).is_file() else [root / VERDICTS]
    plain = {path: names.in_table(path.relative_to(root).as_posix()) for path in [*all_files(data), *beside] if is_table(path)}
    left += [
        f"{path} is no text in UTF-8, UTF-16 or ingest.encoding ({encoding}), so its rows were not searched: name its encoding there"
        for path in plain
        if not is_decodable(path, encoding)
    ]
    rest = {path: without_rows(path, own, encoding) for path, own in plain.items()}
    left += [
        f"{path} names it in a form that is not written anew: take it out of that file"
        for path, own in plain.items()
        if own.cells and _still_names(path, rest[path], own, encoding)
    ]
    tables = [path for path in plain if rest[path] is not None]
    for table in tables:
        yield Removal("rows of tables", str(table), lambda table=table: rewrite(table, plain[table], encoding))  # type: ignore[misc]
    if (subject.places or tables) and recorded_version(data) and not difference(data, data_version(data)):
        yield Removal("record", f"{data}.dvc", lambda: _add(data))


def verdict_removals(subject: Subject, runs: Sequence[Record]) -> Iterator[Removal]:
    """The rows about the images in files at `clean.verdicts`, which lie beside no data: the one of now, and those of runs."""
    names = Named(set(subject.contents))
    named = {read_settings([])[0]["clean"]["verdicts"], *(run.params.get("clean.verdicts", "") for run in runs)}
    for place in sorted({os.path.realpath(one) for one in named if one}):
        if Path(place).is_file() and without_rows(Path(place), names) is not None:
            yield Removal("verdicts", place, lambda place=place: rewrite(Path(place), names))  # type: ignore[misc]


def _still_names(path: Path, rest: bytes | None, names: Named, encoding: str) -> bool:
    """Whether a table without its rows, or as it is where none was found, still names an image, as `ingest` reads it."""
    files = names.files or FileNames((), path.parent)
    try:
        table = read_table(names.table, path.read_bytes() if rest is None else rest, files, encoding)
    except InputError:
        return rest is None  # no row is left
    return any(not texts.isdisjoint(table.distinct(column)) for column, texts in names.cells.items() if column in table.columns)


def _add(data: Path) -> None:
    """Makes what the folder holds now the version that its `.dvc` file records."""
    with own_repository() as repository, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # DVC's own
        repository.add([str(data)])


def dvc_removals(data: Path, subject: Subject, names: Named, left: list[str]) -> Iterator[Removal]:
    """What DVC keeps of the images in its cache and its remotes, and the lists of versions that name them.

    Args:
        data: The source, whose versions git may know.
        subject: The images.
        names: What names them.
        left: Gets what could not be looked at, a sentence each.
    """
    from dvc.exceptions import NotDvcRepoError

    try:
        with own_repository() as repository:
            md5s = subject.md5s | _holding(repository.cache.local, subject, names, _listed(repository.cache.local, data))
            lists = _lists(repository.cache.local, md5s)
            for md5 in sorted(md5s | lists):
                yield from _cached(repository, md5)
            for name in sorted(repository.config["remote"]):
                yield from _remote(repository, name, md5s, lists | _versions(data), left)
    except NotDvcRepoError:
        return


def _holding(storage: Any, subject: Subject, names: Named, tables: Mapping[str, str]) -> set[str]:
    """The md5s of the files in DVC's cache that hold the images or name them, by id or by path, such as tables of earlier versions."""
    held = [
        path
        for path in all_files(Path(storage.path))
        if path.suffix != ".dir"
        and (subject.traces.in_file(path) or without_rows(path, names.in_table(tables.get(_md5_of(path), "")), names.encoding) is not None)
    ]
    return set(map(_md5_of, held))


def _md5_of(path: Path) -> str:
    """What DVC's cache has a file under."""
    return f"{path.parent.name}{path.name}"


def _listed(storage: Any, data: Path) -> dict[str, str]:
    """Where the files in DVC's cache stand in the versions of the data that it has, by md5."""
    found: dict[str, str] = {}
    for version in _versions(data):
        if Path(storage.oid_to_path(version)).is_file():
            found |= {md5: path for path, md5 in files_of(storage, version).items()}
    return found


def _lists(storage: Any, md5s: set[str]) -> set[str]:
    """The versions in DVC's cache whose lists of files name one of the md5s."""
    found = set()
    for path in all_files(Path(storage.path)):
        if path.suffix == ".dir":
            with suppress(OSError, ValueError, TypeError, KeyError):
                if {entry["md5"] for entry in json.loads(path.read_text(encoding="utf-8"))} & md5s:
                    found.add(f"{path.parent.name}{path.name}")
    return found


def _cached(repository: Any, md5: str) -> Iterator[Removal]:
    places = {Path(repository.cache.local.oid_to_path(md5)), Path(repository.cache.local.path).parents[1] / md5[:2] / md5[2:]}
    for place in sorted(place for place in places if place.is_file()):
        yield Removal("DVC's cache", str(place), lambda place=place: place.unlink(missing_ok=True))  # type: ignore[misc]


def _versions(data: Path) -> set[str]:
    """The versions that git knows of the data."""
    with suppress(InputError):
        return {record.md5 for record in data_history(data)}
    return set()


def _remote(repository: Any, name: str, md5s: set[str], versions: set[str], left: list[str]) -> Iterator[Removal]:
    """What one remote keeps of the images; where it does not answer, it is left."""
    try:
        storage = repository.cloud.get_remote_odb(name)
        there = {version for version in versions if version.endswith(".dir") and _has(storage, version)}
        lists = {version for version in there if set(files_of(storage, version).values()) & md5s}
        held = [md5 for md5 in sorted(md5s | lists) if _has(storage, md5)]
    except Exception as error:  # each storage raises its own
        left.append(f"the DVC remote {name} can't be asked ({redact(' '.join(str(error).split()))[:200]}): once it answers, run this again")
        return
    for md5 in held:
        yield Removal("DVC's remote", f"{name}: {md5}", lambda md5=md5: storage.fs.rm_file(storage.oid_to_path(md5)))  # type: ignore[misc]


def _has(storage: Any, md5: str) -> bool:
    """Whether a remote holds something; unlike DVC's own question, an error where the remote does not answer."""
    try:
        storage.fs.info(storage.oid_to_path(md5))
    except FileNotFoundError:
        return False
    return True
