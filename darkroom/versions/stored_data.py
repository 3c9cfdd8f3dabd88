"""Data at an address that fsspec reads: `s3://bucket/folder`, `gs://bucket/images.zip`, `https://host/images.tar`.

What a store wants to know of the user comes from the environment, as its own programs read it; it is never part of an address.
"""

import hashlib
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError
from darkroom.system.files import remove
from darkroom.system.locks import locked
from darkroom.system.parallel import ordered
from darkroom.system.secrets import redact
from darkroom.versions.fetch_choice import Choose, everything
from darkroom.versions.repository import refuse_escape
from darkroom.versions.user_folder import user_folder

THREADS = 8  # files that are fetched at once
WAITS_S = (1, 4, 15)  # before a file that failed is tried again
CHUNK_BYTES = 2**22
_WEB = ("http", "https")
_LOCAL = ("file", "local", "asynclocal")
SETTLED_S = 120.0  # a file that changed so short a time ago may change again within a tick of a store's clock, which may be ahead of ours
_HASHES = ("md5Hash", "md5", "sha256", "sha", "crc32c", "checksum", "ETag", "etag", "Content-MD5", "Digest")
_TIMES = ("LastModified", "Last-Modified", "last_modified", "mtime", "modify", "modified", "modificationTime", "updated", "created")


@dataclass(frozen=True)
class StoredFile:
    """A file in a store.

    Attributes:
        place: Where it is, as the store calls it.
        size: In bytes; none where the store does not say.
        fingerprint: What the store says of its content: a hash, or when it was changed; empty where it says nothing.
        in_parts: Whether the store sends parts of it.
        changed_s: When it was changed, in seconds since 1970, where `fingerprint` is that time; 0 for a hash, infinity where no form fits.
    """

    place: str
    size: int | None
    fingerprint: str
    in_parts: bool
    changed_s: float = 0.0


@dataclass(frozen=True)
class StoredAddress:
    """A folder or a file in a store.

    Attributes:
        scheme: The store's, such as `s3`.
        path: The bucket or the host, and what follows.
    """

    scheme: str
    path: str

    @property
    def text(self) -> str:
        """The address as a person writes it."""
        return f"{self.scheme}://{self.path}"

    @property
    def file_name(self) -> str:
        """What the folder or the file is called."""
        return self.path.partition("?")[0].rstrip("/").rpartition("/")[2]

    @property
    def title(self) -> str:
        """What a run is named after."""
        return self.file_name.partition(".")[0] or self.file_name

    def __str__(self) -> str:
        return self.text

    def version(self) -> str:
        """A hash of paths, sizes and the store's own hashes or times, without a look at the data.

        Raises:
            InputError: The store can't be read, or does not say anything by which a change could be seen.
        """
        with self._refusing():
            return _version(self, self._files()[1])

    @contextmanager
    def fetched(self, data_version: str, choose: Choose = everything) -> Iterator[Path]:
        """Fetches the data, several files at once; what an interrupted try has fetched of the same version is kept, and continued.

        Args:
            data_version: What the version must be, or empty.
            choose: Which files are fetched.

        Raises:
            InputError: The store can't be read, or holds another version.
        """
        with self._refusing():
            store, files = self._files()
            version = _version(self, files)
        self._refuse_other(version, data_version)
        name = hashlib.sha256(f"{self.text} {version}".encode()).hexdigest()[:16]
        with user_folder("sources") as base, locked(base / f"{name}.lock", f"fetching {self}", print):
            folder = base / name
            target = folder / self.file_name
            wanted = frozenset(choose({name: self._identity(name, file) for name, file in files.items()}))
            print(f"fetching {self}: {len(wanted):,} of {len(files):,} file(s)", flush=True)
            if "" not in files:
                target.mkdir(parents=True, exist_ok=True)
            jobs = [(file, target / name if name else target) for name, file in files.items() if name in wanted]
            with self._refusing():
                for _ in ordered(partial(_fetch, store), jobs, THREADS, ahead=4 * THREADS):
                    pass
            try:
                self._refuse_other(self.version(), version)  # it may have been changed while it was fetched
                yield target
            finally:
                remove(folder)

    def _identity(self, name: str, file: StoredFile) -> str:
        """What tells a file's content, as the version does; empty where it was changed so lately that it may change unseen.

        The host is part of it, which some stores leave out of a file's place.
        """
        is_settled = file.changed_s < time.time() - SETTLED_S
        return f"{self.text.rstrip('/')}/{name} {file.size} {file.fingerprint}" if is_settled else ""

    def _refuse_other(self, version: str, wanted: str) -> None:
        if wanted not in ("", version):
            raise InputError(f"{self} is now {version[:12]}, not the version {wanted[:12]} of this run: it was changed since")

    def _files(self) -> tuple[Any, dict[str, StoredFile]]:
        """The store, and its files by their path below the address; that of a file itself is empty."""
        from fsspec.core import url_to_fs

        options = {"skip_instance_cache": True, "use_listings_cache": False}
        store, root = url_to_fs(self.text, **options)
        if self.scheme in _WEB or store.isfile(root):
            info = store.info(root)
            return store, {"": _stored(root, info, in_parts=self.scheme not in _WEB or bool(info.get("partial")))}
        found = store.find(root, detail=True)
        start = len(root.rstrip("/")) + 1
        files = {place[start:]: _stored(place, info) for place, info in sorted(found.items()) if not place.endswith("/")}
        if not files:
            raise FileNotFoundError("there is nothing")
        refuse_escape(files, str(self))
        return store, files

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Tells failures in one sentence."""
        try:
            yield
        except InputError:
            raise
        except ImportError as error:
            raise InputError(f"{self} needs a package that is not installed: {error}") from None
        except FileNotFoundError:
            raise InputError(f"the data source {self} does not exist: correct the address") from None
        except Exception as error:  # each store's client has errors of its own
            reason = redact(" ".join(str(error).split())) or type(error).__name__
            raise InputError(f"{self} can't be read: {reason}: correct the address, or what the environment says to the store") from None


def parse_address(scheme: str, path: str) -> StoredAddress:
    """Reads an address.

    Args:
        scheme: The store's.
        path: What follows `://`.

    Raises:
        InputError: It holds a name, a password, or a query that may, a part that leads upward, or a second address; it is a path of this
            machine; or fsspec knows no such store.
    """
    from fsspec.registry import known_implementations

    address = StoredAddress(scheme, path)
    host, _, query = path.partition("?")
    if "@" in host.partition("/")[0] or not re.fullmatch(r"(download=\w+)?", query):
        raise InputError(f"the data source {scheme}://... holds a name, a password or a query: leave it out, and set it in the environment")
    if scheme in _LOCAL:
        raise InputError(f"the data source {address.text!r} is on this machine: name its path alone")
    if "::" in path:  # fsspec would open one address through another
        raise InputError(f"the data source {scheme}://... holds `::`: name one address alone")
    if scheme not in known_implementations or ".." in path.split("/") or re.search(r"[\x00-\x1f\x7f]", path) or not address.file_name:
        raise InputError(f"the data source {redact(address.text)!r} is no address that can be read: write it as s3://bucket/folder")
    return address


def _stored(place: str, info: dict[str, Any], *, in_parts: bool = True) -> StoredFile:
    key = next((key for key in (*_HASHES, *_TIMES) if info.get(key)), "")
    changed_s = _seconds(info[key]) if key in _TIMES else 0.0
    return StoredFile(place, info.get("size"), f"{key}={info[key]}" if key else "", in_parts, changed_s)


def _seconds(moment: Any) -> float:
    """A time as a store gives it, in seconds since 1970 (UTC where it has no zone); infinity where its form is not known."""
    if isinstance(moment, int | float):
        return float(moment)
    text = str(moment)  # of a `datetime` in the form of ISO 8601, too
    if text.isdigit():  # as FTP writes it: 20260131235959
        text = f"{text[:8]}T{text[8:]}" if len(text) == 14 else ""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError):
            found = read(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return math.inf


def _version(address: StoredAddress, files: dict[str, StoredFile]) -> str:
    lines = [f"{name}\0{file.size}\0{file.fingerprint}" for name, file in files.items()]
    unknown = next((name or address.file_name for name, file in files.items() if not file.fingerprint), None)
    if unknown:
        raise InputError(
            f"{address} gives neither a hash of {unknown} nor when it was changed, so a change could not be seen: fetch it, and name the "
            "folder or file on this machine"
        )
    return hashlib.md5("\n".join(lines).encode(), usedforsecurity=False).hexdigest()


def _fetch(store: Any, job: tuple[StoredFile, Path]) -> None:
    """Fetches a file; after a break goes on where it ended.

    Raises:
        OSError: The last try failed, too.
    """
    file, target = job
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    for wait_s in (*WAITS_S, None):
        try:
            _continue(store, file, draft)
            draft.replace(target)
            return
        except FileNotFoundError:
            raise
        except Exception:  # each store's client has errors of its own
            if wait_s is None:
                raise
            time.sleep(wait_s)


def _continue(store: Any, file: StoredFile, draft: Path) -> None:
    done = draft.stat().st_size if draft.exists() and file.in_parts else 0
    if done and done == file.size:
        return
    options = {"block_size": CHUNK_BYTES, "cache_type": "readahead"} if file.in_parts else {"block_size": 0}
    with store.open(file.place, "rb", **options) as source, draft.open("ab") as sink:
        sink.truncate(done)
        if done:
            source.seek(done)
        while chunk := source.read(CHUNK_BYTES):
            sink.write(chunk)
    fetched = draft.stat().st_size
    if file.size is not None and fetched != file.size:
        if fetched > file.size:
            draft.unlink()  # it is another file's
        raise OSError(f"{file.place} has {fetched:,} bytes, not the {file.size:,} that the store says")
