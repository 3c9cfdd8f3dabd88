"""Faults of the machine: a full disk, a path that can't be written, a locked database; one sentence each, with the remedy.

Each library (Arrow, safetensors, SQLAlchemy) raises its own error, so a fault is recognised by the system's words, which all of them quote.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from darkroom.system.processes import user

_AGAIN = "then the same command goes on from where it was"
_KINDS = (
    (
        r"No space left on device|errno 28\b|os error 28\b|Disk quota exceeded|database or disk is full",
        f"no space is left on the disk for {{path}}: free some, for example with `darkroom gc`; {_AGAIN}",
    ),
    (
        r"Read-only file system|readonly database",
        f"{{path}} can't be written, because it is read-only: make it writable, or work in another folder; {_AGAIN}",
    ),
    (
        r"No usable temporary directory",
        "no folder for temporary files can be written to (TMPDIR, /tmp, /var/tmp and the current folder were tried): name one in TMPDIR",
    ),
    (r"File too large", f"{{path}} would be larger than a file may be here (`ulimit -f`): raise that limit; {_AGAIN}"),
    (r"disk I/O error", f"{{path}} can't be read or written: look whether its disk is full, or broken; {_AGAIN}"),
    (
        r"database is locked",
        f"{{path}} is locked by another process (`lsof` on the file names it): wait until it has ended, or end it; {_AGAIN}",
    ),
    (
        r"\[Errno (1|13)\][^:]*: '",
        f"the user {{user}} may not read or write {{path}}: give them the right to (chown, chmod), or work in another folder; {_AGAIN}",
    ),
)
# a draft of a file (see `darkroom.system.files.whole`), or the lock on it
_BESIDE = re.compile(r"^\.(?P<name>.+)\.([0-9a-f]+\.part|lock)$")
_FILE = re.compile(r"\[Errno \d+\][^:]*: '(?P<file>[^']+)'(?: -> '(?P<target>[^']+)')?")
_SQLITE = "sqlite:///"
_FULL_BYTES = 2**20


def explain(error: BaseException, database: str = "") -> str:
    """One sentence about a fault of the machine: which file, what is wrong with it, what to do.

    Args:
        error: What was raised; its causes are examined, too.
        database: File of the SQLite store, where `MLFLOW_TRACKING_URI` does not name it yet.

    Returns:
        The sentence; empty where it is another fault.
    """
    return next((sentence for one in _chain(error) if (sentence := explain_text(str(one), database))), "")


def explain_text(text: str, database: str = "") -> str:
    """The same for an error of which only the text is left."""
    for pattern, sentence in _KINDS:
        if re.search(pattern, text, re.IGNORECASE):
            return sentence.format(path=_path_of(text, database), user=user() if "{user}" in sentence else "")
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__


def _path_of(text: str, database: str) -> str:
    """The file that an error's text names, or the database; else the disk that is full, or the current folder."""
    if match := _FILE.search(text):
        path = Path(match["target"] or match["file"])
        beside = _BESIDE.match(path.name)
        return str(path.with_name(beside["name"]) if beside else path)
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    database = database or (uri.removeprefix(_SQLITE) if uri.startswith(_SQLITE) else "")
    if re.search("sqlite|database", text, re.IGNORECASE) and database:
        return database
    folders = (Path.cwd(), Path(tempfile.gettempdir()))
    return str(next((folder for folder in folders if shutil.disk_usage(folder).free < _FULL_BYTES), folders[0]))
