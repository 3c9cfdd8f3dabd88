"""Zip and tar files as sources: members are read without unpacking; hostile and damaged archives are refused."""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from components.ingest.sources import File, Source
from components.ingest.split_names import split_in
from darkroom.data_files import is_table, printable
from darkroom.junk import is_junk
from darkroom.system.errors import InputError

OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
DAMAGE_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)

BOMB_BYTES, BOMB_RATIO = 2**30, 200  # an archive above both limits is a bomb: images hardly compress

Member = TypeVar("Member")


def open_archive(data: Path, max_bytes: int) -> Source:
    """Opens a zip or a tar, whichever its content is.

    Raises:
        InputError: It is neither, it is damaged, or a member is hostile or above `max_bytes`.
    """
    with _damage_as_input_error(str(data)):
        with data.open("rb") as file:
            head = file.read(512)
        if any(head.startswith(magic) for magic in OPENERS) or _is_tar_header(head):
            return TarSource(str(data), data, max_bytes)
        if zipfile.is_zipfile(data):  # looks at the end of the file, where a tar may hold a zip
            return ZipSource(str(data), data, max_bytes)
    raise InputError(f"{data} is no folder, table (.csv, .tsv, .parquet, .jsonl), zip or tar: name one of these")


def open_tar(place: str, max_bytes: int) -> "TarSource":
    """Opens a tar, compressed or not.

    Raises:
        InputError: It is none, it is damaged, or a member is hostile or above `max_bytes`.
    """
    with _damage_as_input_error(place):
        return TarSource(place, Path(place), max_bytes)


def _is_tar_header(head: bytes) -> bool:
    """Recognizes a tar by its first header's checksum (`tarfile.is_tarfile` would read as many bytes as the header asks for)."""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


@contextmanager
def _damage_as_input_error(name: str) -> Iterator[None]:
    try:
        yield
    except DAMAGE_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{name} is damaged, encrypted or no archive ({reason}): make or fetch it again") from None


@dataclass
class ZipSource:
    """A zip file; members are read in the order of their paths."""

    name: str
    file: Path
    max_bytes: int
    sizes: dict[str, int] = field(default_factory=dict)
    num_junk: int = 0
    notes: tuple[str, ...] = ()
    _members: dict[str, zipfile.ZipInfo] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with zipfile.ZipFile(self.file) as archive:
            members = [(_zip_name(info), info) for info in archive.infolist()]
        if guessed := [path for path, info in members if _unicode_name(info) is None]:
            self.notes = (_GUESSED.format(name=self.name, number=len(guessed), example=printable(guessed[0])),)
        for path, info in members:
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise InputError(f"{self.name} holds {path!r}, a link or a device: pack the files themselves")
            _refuse_escape(self.name, path)
        files = [(path, info, info.file_size) for path, info in members if not path.endswith("/")]
        self._members, self.sizes, self.num_junk = _index_members(self.name, files, self.max_bytes, self.file.stat().st_size)

    @property
    def root(self) -> Path:
        return self.file

    def read(self, paths: Sequence[str]) -> Iterator[File]:
        with _damage_as_input_error(self.name), zipfile.ZipFile(self.file) as archive:
            for path in paths:
                with archive.open(self._members[path]) as member:
                    yield File(path, member.read(self.max_bytes + 1))

    def read_table(self, path: str) -> bytes:
        return next(iter(list(self.read([path])))).data


@dataclass
class TarSource:
    """A tar file, compressed or not; members are read in the archive's order, so that it is unpacked once."""

    name: str
    file: Path
    max_bytes: int
    sizes: dict[str, int] = field(default_factory=dict)
    num_junk: int = 0
    notes: tuple[str, ...] = ()
    _members: dict[str, tarfile.TarInfo] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files, num_packed = [], self.file.stat().st_size
        with self._open() as archive:
            for member in archive:
                _refuse_escape(self.name, member.name)
                _refuse_bomb(self.name, member.offset_data + member.size, num_packed)
                if member.isreg():
                    _refuse_large(self.name, member.name, member.size, self.max_bytes)  # before it is skipped over
                    files.append((member.name, member, member.size))
                elif not member.isdir():
                    raise InputError(f"{self.name} holds {member.name!r}, a link or a device: pack the files themselves")
        self._members, self.sizes, self.num_junk = _index_members(self.name, files, self.max_bytes, num_packed)

    @contextmanager
    def _open(self) -> Iterator[tarfile.TarFile]:
        with self.file.open("rb") as raw:
            head = raw.read(8)
            raw.seek(0)
            opener = next((opener for magic, opener in OPENERS.items() if head.startswith(magic)), None)
            stream = _BoundedStream(cast(BinaryIO, opener(raw)) if opener else raw, self.name, self.max_bytes)
            with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r:", errorlevel=1) as archive:
                yield archive

    @property
    def root(self) -> Path:
        return self.file

    def read(self, paths: Sequence[str]) -> Iterator[File]:
        """Reads the files at these paths, in the order in which they are packed: a compressed archive is read from its start only once."""
        wanted = sorted(paths, key=lambda path: self._members[path].offset)
        with _damage_as_input_error(self.name), self._open() as archive:
            for path in wanted:
                member = archive.extractfile(self._members[path])
                data = member.read() if member else b""
                if len(data) != self.sizes[path]:
                    raise EOFError(f"{path} is cut off")
                yield File(path, data)

    def read_table(self, path: str) -> bytes:
        return next(iter(list(self.read([path])))).data


class _BoundedStream:
    """A stream that refuses to read more bytes at once than a member may have: a header may ask for gigabytes."""

    def __init__(self, stream: BinaryIO, name: str, max_bytes: int) -> None:
        self._stream, self._name, self._max_bytes = stream, name, max_bytes
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, num_bytes: int = -1) -> bytes:
        if not 0 <= num_bytes <= self._max_bytes + tarfile.RECORDSIZE:
            raise InputError(f"{self._name} holds a header of {num_bytes:,} bytes: pack the files again")
        return self._stream.read(num_bytes)


_GUESSED = (
    "{number:,} name(s) in {name} are in an encoding that it does not tell, and are read as code page 437, such as {example!r}: where that "
    "is wrong, unpack it with the right one and give the folder, or pack it anew with names in UTF-8"
)


def _unicode_name(info: zipfile.ZipInfo) -> str | None:
    """A name in UTF-8, which macOS writes without saying so; none where its encoding is not known."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return None


def _zip_name(info: zipfile.ZipInfo) -> str:
    name = _unicode_name(info)
    if name is None and "/" in info.filename:  # a byte of a letter may be that of a backslash, as in Shift-JIS
        return info.filename
    return (name or info.filename).replace("\\", "/")


def _refuse_escape(archive: str, path: str) -> None:
    parts = path.replace("\\", "/").split("/")
    if ".." in parts or path.startswith(("/", "\\")) or path[1:2] == ":" or "\0" in path:
        raise InputError(f"{archive} holds {path!r}, a path that leads out of it: nothing of it was read; pack it again with plain names")


def _refuse_large(archive: str, path: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise InputError(
            f"{archive} holds {path!r} of {size / 2**20:,.0f} MB, above ingest.max_file_mb = {max_bytes / 2**20:g}: "
            "raise the setting, or take the file out"
        )


def _refuse_bomb(archive: str, num_bytes: int, num_packed: int) -> None:
    if num_bytes > max(BOMB_BYTES, BOMB_RATIO * num_packed):
        raise InputError(
            f"{archive} unpacks to {num_bytes / 2**30:,.1f} GB, more than {BOMB_RATIO} times its size, which images never do: "
            "if it holds what it should, unpack it and give the folder"
        )


def _index_members(
    archive: str, files: Sequence[tuple[str, Member, int]], max_bytes: int, num_packed: int
) -> tuple[dict[str, Member], dict[str, int], int]:
    """Members and sizes by path, sorted, without junk; paths begin below a single wrapping folder."""
    members: dict[str, tuple[Member, int]] = {}
    for name, member, size in files:
        path = "/".join(part for part in printable(name).split("/") if part not in ("", "."))
        if is_junk(path):
            continue
        _refuse_large(archive, path, size, max_bytes)
        if path in members:
            raise InputError(f"{archive} holds {path!r} twice: pack it again, each file once")
        members[path] = (member, size)
    _refuse_bomb(archive, sum(size for _, size in members.values()), num_packed)
    num_junk = len(files) - len(members)
    start = len(_wrapping_folder(members))
    chosen = {path[start:]: members[path] for path in sorted(members)}
    return {path: pair[0] for path, pair in chosen.items()}, {path: pair[1] for path, pair in chosen.items()}, num_junk


def _wrapping_folder(paths: Iterable[str]) -> str:
    """The one folder that holds all members, such as `weather/`, if it is neither a class nor a split; else an empty text."""
    tops = {path.partition("/")[0] for path in paths}
    if len(tops) != 1 or split_in(top := tops.pop()):
        return ""
    inner = [path[len(top) + 1 :] for path in paths]
    tables = any("/" not in path and is_table(path) for path in inner)
    return f"{top}/" if tables or any("/" in path for path in inner) else ""
