"""The images that are to be forgotten: what is known of them, from the data, from runs and from DVC's cache."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from darkroom.data_files import is_table, list_files
from darkroom.images import Images, image_id
from darkroom.system.errors import InputError
from darkroom.versions.repository import own_repository
from pipelines.forget.kept_tables import KEY
from pipelines.forget.removals import GONE
from pipelines.forget.traces import Traces, all_files
from pipelines.paths import ROOT

_ID = re.compile(r"[0-9a-f]{8,64}")
_WHOLE = 64  # digits of an id


@dataclass
class Subject:
    """Some images.

    Attributes:
        contents: Their bytes by their ids; empty where they are not to be had any more.
        paths: The names that their files had in the data, as tables of runs have them.
        places: Where their files are in the data now.
        versions: Whether the tables of runs on this machine name one of them, by the version of the data that a table is of.
    """

    contents: dict[str, bytes]
    paths: set[str] = field(default_factory=set)
    places: list[Path] = field(default_factory=list)
    versions: dict[str, bool] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Their ids, in their order."""
        return sorted(self.contents)

    @property
    def md5s(self) -> set[str]:
        """What DVC keeps them under, as far as their bytes are known."""
        return {hashlib.md5(data, usedforsecurity=False).hexdigest() for data in self.contents.values() if data}

    @cached_property
    def traces(self) -> Traces:
        """What is searched for."""
        return Traces(self.contents)

    def blot(self, text: str) -> str:
        """A text without what names the images: their ids and their paths."""
        for pattern in self._patterns:
            text = pattern.sub(GONE, text)
        return text

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        """The longest first; a path is none that only ends or begins another one."""
        names = sorted({*self.contents, *self.paths}, key=lambda text: (-len(text), text))
        before = {name: r"(?<![\w.-])" if "/" in name else r"(?<![\w./-])" for name in names}
        return [re.compile(f"{before[name]}{re.escape(name)}(?![\\w-])") for name in names]


def find_subject(words: Sequence[str], data: Path) -> Subject:
    """The images that some words mean.

    Args:
        words: Ids, beginnings of at least 8 digits, or paths of files.
        data: The data's folder.

    Raises:
        InputError: A word means no image that is known here, or several.
    """
    given = {image_id(Path(word).read_bytes()) if Path(word).is_file() else word for word in words}
    if odd := sorted(word for word in given if not _ID.fullmatch(word)):
        raise InputError(
            f"{odd[0]!r} is no image_id (64 hexadecimal digits, at least the first 8) and no file", "`issues` and reports name ids"
        )
    subject, known = Subject({}), dict[str, set[str]]()
    delivered = {path: hashlib.sha256(Path(place).read_bytes()).hexdigest() for path, place in places_of(data).items()}
    for path, name in delivered.items():
        known.setdefault(name, set()).add(path)
    packed = _packed()
    listed = dict[str, set[str]]()
    for version, rows in _tables():
        listed.setdefault(version, set()).update(name for name, _ in rows)
        for name, path in rows:
            known.setdefault(name, set()).add(path)
    for folder in packed:
        for name in folder:
            known.setdefault(name, set())
    for word in sorted(given):
        subject.contents[_meant(word, known)] = b""
    subject.versions = {version: not names.isdisjoint(subject.contents) for version, names in listed.items()}
    for name in subject.contents:
        subject.paths |= known.get(name, set())
        subject.places += [Path(place) for path, place in places_of(data).items() if delivered[path] == name]
        subject.contents[name] = _content(name, subject.places, packed)
    return subject


def places_of(data: Path) -> dict[str, str]:
    """Where the files of a folder, or around a table of labels, are on this disk, by path; none of an archive, and of what is not here."""
    is_laid_out = data.is_dir() or (data.is_file() and is_table(data))
    return {path: place for path, place in list_files(data).places.items() if place} if is_laid_out else {}


def _packed() -> list[Images]:
    """The packed images of all runs on this machine."""
    found = []
    for folder in sorted({path.parent for path in ROOT.glob("*/artifacts/*/*/*/images-*.arrow")}):
        with suppress(pa.ArrowException, OSError):
            found.append(Images(folder))
    return found


def _tables() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The ids and paths in the tables of all runs on this machine, each with the version of its data."""
    for path in all_files(ROOT):
        with suppress(pa.ArrowException, OSError, KeyError), path.open("rb") as file:
            if file.read(4) == b"PAR1" and {"image_id", "path"} <= set(pq.read_schema(path).names):
                table = pq.read_table(path, columns=["image_id", "path"])
                meaning = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
                rows = zip(*(table[name].to_pylist() for name in ("image_id", "path")), strict=True)
                yield str(meaning.get("data_version", "")), [row for row in rows if row[0]]


def _meant(word: str, known: dict[str, set[str]]) -> str:
    if len(word) == _WHOLE:
        return word
    found = sorted(name for name in known if name.startswith(word))
    if len(found) != 1:
        raise InputError(f"{word!r} begins the ids of {len(found)} images that are known here", "give all 64 digits")
    return found[0]


def _cached_by_dvc() -> Iterator[Path]:
    from dvc.exceptions import NotDvcRepoError

    with suppress(NotDvcRepoError), own_repository() as repository:
        yield from all_files(Path(repository.cache.local.path))


def _content(name: str, places: Sequence[Path], packed: Sequence[Images]) -> bytes:
    """An image's bytes: from the data, from packed images, or from DVC's cache, which is searched only where both lack it."""
    for folder in packed:
        if name in folder:
            return folder[name]
    for path in [*places, *_cached_by_dvc()]:
        with suppress(OSError):
            data = path.read_bytes()
            if image_id(data) == name:
                return data
    return b""
