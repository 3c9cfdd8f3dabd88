"""The journal of schedules on this machine: how their last runs ended, and which are paused; in `runs/schedules/`."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from darkroom.system.files import remove, write_json

FAILURES = 3  # so many in a row are reported
KEPT = 100

Ending = Literal["trained", "nothing", "waited", "failed"]


@dataclass(frozen=True)
class Entry:
    """A run that a schedule started: when (UTC, ISO 8601), how it ended, and why in one sentence."""

    started: str
    ending: Ending
    message: str


def record(root: Path, name: str, started: datetime, ending: Ending, message: str) -> None:
    """Adds an entry to a schedule's journal.

    Args:
        root: The folder of the journals.
        name: The schedule.
        started: When its run started.
        ending: How it ended.
        message: Why, in one sentence.
    """
    entry = Entry(started.astimezone(UTC).isoformat(timespec="seconds"), ending, message)
    write_json(root / f"{name}.json", [asdict(known) for known in [*entries(root, name), entry][-KEPT:]])


def entries(root: Path, name: str) -> list[Entry]:
    """What a schedule did, oldest first."""
    path = root / f"{name}.json"
    return [Entry(**values) for values in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def is_failing(endings: list[str]) -> bool:
    """Whether the last runs all failed, so many that somebody should look.

    Args:
        endings: How they ended, oldest first.
    """
    return len(endings) >= FAILURES and set(endings[-FAILURES:]) == {"failed"}


def pause(root: Path, name: str) -> None:
    """Makes a schedule do nothing until it is resumed."""
    write_json(_pause_file(root, name), {"since": datetime.now(UTC).isoformat(timespec="seconds")})


def resume(root: Path, name: str) -> None:
    """Lets a paused schedule run again."""
    remove(_pause_file(root, name))


def paused_since(root: Path, name: str) -> str:
    """Since when a schedule is paused; empty where it is not."""
    path = _pause_file(root, name)
    return str(json.loads(path.read_text(encoding="utf-8"))["since"]) if path.exists() else ""


def delete(root: Path, name: str) -> bool:
    """Removes a schedule's journal and its pause; returns whether there was either."""
    known = [path for path in (root / f"{name}.json", _pause_file(root, name)) if path.exists()]
    for path in known:
        remove(path)
    return bool(known)


def _pause_file(root: Path, name: str) -> Path:
    return root / f"{name}.paused.json"
