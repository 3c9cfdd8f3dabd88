"""The journal of a process: a file of entries that MLflow does not have yet, one JSON object a line, locked by that process.

The lock ends with its process, however that ends; so a journal that can be locked is of a process that is gone, and two processes
never deliver the same one. Besides entries there are lines about the file itself: for which store it is, how many of its entries
are delivered, and which child runs were made. A line counts when it is whole, with its line feed, and on the disk.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkroom.system.locks import acquire, try_acquire
from darkroom.tracking.delivery import Entry

if TYPE_CHECKING:
    from filelock import FileLock

ENDING, REFUSED = ".jsonl", ".refused"
_STATE = "delivered"  # the key that tells a line about the file from an entry


class Journal:
    """A journal that this process has locked.

    Attributes:
        path: The file.
        store: The address of the store that the entries are for, without credentials.
        entries: What is not delivered yet.
        made: The ids of child runs by their keys.
        unended: Of the child runs that the file makes, those whose end it does not have: their first entries.
    """

    def __init__(self, path: Path, lock: "FileLock", store: str, made: dict[str, str]) -> None:
        self.path, self.store, self.made = path, store, made
        self.entries: list[Entry] = []
        self.unended: list[Entry] = []
        self._lock = lock

    def append(self, *entries: Entry) -> None:
        """Adds entries; they are on the disk when it returns."""
        _write(self.path, *entries)
        self.entries += entries

    def done(self, number: int) -> None:
        """Writes down that the first entries are delivered, or set aside."""
        if number:
            del self.entries[:number]
            self.write_state(number)

    def write_state(self, number: int = 0) -> None:
        """Writes a line about the file: what is known, and how many entries more are delivered."""
        _write(self.path, {_STATE: number, "made": self.made, "store": self.store})

    def set_aside(self, entry: Entry, why: str) -> Path:
        """Keeps an entry that MLflow refuses in a file beside this one."""
        path = self.path.with_suffix(REFUSED)
        _write(path, {"why": why, "entry": entry})
        return path

    def close(self) -> None:
        """Releases the file, and removes it where nothing is pending in it."""
        if not self.entries:
            self.path.unlink()
        self._lock.release()

    def read(self) -> None:
        """Takes what stands in the file; the beginning of a line that a killed process left is cut off."""
        text = self.path.read_bytes()
        if not text.endswith(b"\n"):
            os.truncate(self.path, text.rfind(b"\n") + 1)
        lines = _lines(text)
        for line in lines:
            if _STATE in line:
                self.store = line["store"]
                self.made.update(line["made"])
        ended = {line["key"] for line in lines if line.get("kind") == "end" and "key" in line}
        self.unended = [line for line in lines if line.get("kind") == "create" and line["key"] not in ended]
        self.entries = _pending(lines)


def create(folder: Path, store: str, made: dict[str, str]) -> Journal:
    """A new journal of this process.

    Args:
        folder: Where; made, for this user alone, where it is missing.
        store: The address of the store that the entries are for, without credentials.
        made: The ids of the child runs that are known, by their keys.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}-{uuid.uuid4().hex[:6]}{ENDING}"
    journal = Journal(path, acquire(path), store, made)
    journal.write_state()
    return journal


def abandoned(folder: Path) -> Iterator[Journal]:
    """The journals of processes that are gone, oldest first; the caller closes each."""
    for path in paths(folder):
        if lock := try_acquire(path):
            journal = Journal(path, lock, "", {})
            journal.read()
            yield journal


def pending_entries(path: Path) -> list[Entry]:
    """What is pending in a journal, whichever process has it."""
    return _pending(_lines(path.read_bytes())) if path.exists() else []


def paths(folder: Path) -> list[Path]:
    """All journals in a folder, oldest first."""
    return sorted(folder.glob(f"*{ENDING}"))


def _write(path: Path, *lines: Entry) -> None:
    """Adds lines to a file that only this user can read; they are on the disk when it returns."""
    left = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines).encode()
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        os.fchmod(file.fileno(), 0o600)
        try:
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, size)  # half a line would spoil the next one
            raise


def _pending(lines: list[Entry]) -> list[Entry]:
    """The entries that are not delivered yet."""
    return [line for line in lines if _STATE not in line][sum(line.get(_STATE, 0) for line in lines) :]


def _lines(text: bytes) -> list[Entry]:
    whole = text[: text.rfind(b"\n") + 1].decode(errors="replace")
    return [_parsed(line) for line in whole.split("\n")[:-1]]


def _parsed(line: str) -> Entry:
    try:
        value: Any = json.loads(line)
    except ValueError:
        value = None
    return value if isinstance(value, dict) and (_STATE in value or "kind" in value) else {"kind": "unreadable", "text": line}
