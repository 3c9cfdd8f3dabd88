"""Waiting: a file of entries that MLflow does not have yet, one JSON object a line, locked by the process that cares for it.

The lock ends with its process, however that ends; so a file that can be locked is nobody's any more, and two processes never
deliver the same one. Besides entries there are lines about the file itself: for which store it is, how many of its entries
are delivered, and which child runs were made. A line counts when it is whole, with its line feed, and on the disk.
"""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from darkroom.tracking.delivery import Entry

ENDING, REFUSED = ".jsonl", ".refused"
_STATE = "delivered"  # the key that tells a line about the file from an entry


class Waiting:
    """A file of entries that this process has locked.

    Attributes:
        path: The file.
        store: The address of the store that they are for, without credentials.
        entries: What is not delivered yet.
        made: The ids of child runs by their keys.
        unended: Of the child runs that the file makes, those whose end it does not have: their first entries.
    """

    def __init__(self, path: Path, descriptor: int, store: str, made: dict[str, str]) -> None:
        self.path, self.store, self.made = path, store, made
        self.entries: list[Entry] = []
        self.unended: dict[str, Entry] = {}
        self._descriptor = descriptor

    def append(self, *entries: Entry) -> None:
        """Adds entries; they are on the disk when it returns."""
        self._write(list(entries))
        for entry in entries:
            self._take(entry)

    def done(self, number: int) -> None:
        """Writes down that the first entries are delivered, or set aside."""
        if number:
            del self.entries[:number]
            self._write([{_STATE: number, "made": self.made, "store": self.store}])

    def set_aside(self, entry: Entry, why: str) -> Path:
        """Keeps an entry that MLflow refuses in a file beside this one."""
        path = self.path.with_suffix(REFUSED)
        with path.open("a") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(_line({"why": why, "entry": entry}))
            file.flush()
            os.fsync(file.fileno())
        return path

    def close(self) -> None:
        """Lets go of the file, and removes it where nothing waits in it."""
        if not self.entries:
            self.path.unlink()
        os.close(self._descriptor)

    def _take(self, entry: Entry) -> None:
        self.entries.append(entry)
        if entry["kind"] == "create":
            self.unended[entry["key"]] = entry
        elif entry["kind"] == "end":
            self.unended.pop(entry.get("key", ""), None)

    def _write(self, lines: list[Entry]) -> None:
        size, left = os.fstat(self._descriptor).st_size, "".join(map(_line, lines)).encode()
        try:
            while left:
                left = left[os.pwrite(self._descriptor, left, os.fstat(self._descriptor).st_size) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size)  # half a line would spoil the next one
            raise

    def _read(self) -> None:
        """Takes what stands in the file; the beginning of a line that a killed process left is cut off."""
        text = self.path.read_bytes()
        os.ftruncate(self._descriptor, text.rfind(b"\n") + 1)
        delivered = 0
        for line in _lines(text):
            if _STATE in line:
                delivered += line[_STATE]
                self.store = line["store"]
                self.made.update(line["made"])
            else:
                self._take(line)
        del self.entries[:delivered]


def start(folder: Path, store: str, made: dict[str, str]) -> Waiting:
    """A new file of this process.

    Args:
        folder: Where; made, for this user alone, where it is missing.
        store: The address of the store that the entries are for, without credentials.
        made: The ids of the child runs that are known, by their keys.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}-{uuid.uuid4().hex[:6]}{ENDING}"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:  # else a process that delivers what is left took it for an empty one
            break
        os.close(descriptor)
    file = Waiting(path, descriptor, store, made)
    file._write([{_STATE: 0, "made": made, "store": store}])
    return file


def abandoned(folder: Path) -> Iterator[Waiting]:
    """The files of processes that are gone, oldest first; the caller closes each."""
    for path in paths(folder):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        if not os.fstat(descriptor).st_nlink:
            os.close(descriptor)
            continue
        file = Waiting(path, descriptor, "", {})
        file._read()
        yield file


def peek(path: Path) -> list[Entry]:
    """What waits in a file, whoever holds it."""
    try:
        lines = _lines(path.read_bytes())
    except FileNotFoundError:
        return []
    delivered = sum(line.get(_STATE, 0) for line in lines)
    return [line for line in lines if _STATE not in line][delivered:]


def paths(folder: Path) -> list[Path]:
    """All files of entries in a folder, oldest first."""
    return sorted(folder.glob(f"*{ENDING}"))


def _line(value: Entry) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


def _lines(text: bytes) -> list[Entry]:
    whole = text[: text.rfind(b"\n") + 1].decode(errors="replace")
    return [_parsed(line) for line in whole.split("\n")[:-1]]


def _parsed(line: str) -> Entry:
    try:
        value: Any = json.loads(line)
    except ValueError:
        value = None
    return value if isinstance(value, dict) and (_STATE in value or "kind" in value) else {"kind": "unreadable", "text": line}
