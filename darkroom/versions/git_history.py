"""The versions of a `.dvc` file in git: which data each commit records, read without a checkout."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from darkroom.system.errors import InputError

_FIELDS = "%H%x00%cI%x00%an%x00%s"
_MAX_BYTES = 2**20  # of a .dvc file


@dataclass(frozen=True)
class DataRecord:
    """What a commit records of the data.

    Attributes:
        commit: The commit's hash; empty for the file as it is, where that is not committed.
        when: When it was committed, with its time zone; none where it is not.
        who: Who wrote the commit.
        subject: First line of its message.
        md5: What DVC keeps the data under: the data version, or where something in the folder is not read, that of all that is there.
        num_files: Files in the folder, as DVC counted them; none where it did not.
        num_bytes: Their bytes, likewise.
    """

    commit: str
    when: datetime | None
    who: str
    subject: str
    md5: str
    num_files: int | None
    num_bytes: int | None


def data_history(source: Path) -> list[DataRecord]:
    """The versions of a source through the history of its `.dvc` file, newest first; commits that leave the data as it is are left out.

    Args:
        source: Such as `data`, whose record is `data.dvc`.

    Raises:
        InputError: There is no git repository, or the file is not in it.
    """
    record = _record_of(source)
    if not _git(record, "rev-parse", "--is-inside-work-tree"):
        raise InputError(f"{record} has no history: {record.parent.absolute()} is in no git repository", "`git init`, then commit it")
    lines = [line for line in _git(record, "log", f"--format={_FIELDS}", "HEAD", "--", record.name).split("\n") if line]
    found = [*_uncommitted(record), *(entry for line in lines for entry in _committed(record, line))]
    if not found:
        raise InputError(f"git knows no {record}", f"`dvc add {source}` writes it; then commit it")
    return [entry for entry, older in zip(found, [*found[1:], None], strict=True) if older is None or older.md5 != entry.md5]


def record_at(source: Path, revision: str) -> DataRecord | None:
    """What a revision records of a source; nothing where there is no such revision, or no record of the source in it.

    Args:
        source: Such as `data`.
        revision: A commit, branch or tag, or such as `HEAD~2`.
    """
    record = _record_of(source)
    if revision.startswith("-") or not record.parent.is_dir():
        return None
    commit = _git(record, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    line = _git(record, "log", "-1", f"--format={_FIELDS}", commit) if commit else ""
    return next(iter(_committed(record, line)), None) if line else None


def parse_record(text: str, name: str) -> tuple[str, int | None, int | None] | None:
    """The md5, the number of files and of bytes in the text of a `.dvc` file; nothing where it is none.

    Args:
        text: What stands in the file.
        name: Of the source, where the file has several.
    """
    try:
        outs = yaml.safe_load(text)["outs"]
        own = next((out for out in outs if Path(str(out.get("path", ""))).name == name), outs[0])
        return str(own["md5"]), _number(own.get("nfiles")), _number(own.get("size"))
    except (yaml.YAMLError, LookupError, TypeError, AttributeError):
        return None


def _record_of(source: Path) -> Path:
    return source.with_name(f"{source.name}.dvc")


def _uncommitted(record: Path) -> Iterator[DataRecord]:
    if record.is_file() and (parsed := parse_record(record.read_text(encoding="utf-8", errors="replace")[:_MAX_BYTES], record.stem)):
        yield DataRecord("", None, "", "not committed", *parsed)


def _committed(record: Path, line: str) -> Iterator[DataRecord]:
    """The record of a commit; nothing where the file is not in it, or is no `.dvc` file there."""
    commit, when, who, subject = line.split("\0")
    text = _git(record, "show", f"{commit}:./{record.name}")
    if parsed := parse_record(text[:_MAX_BYTES], record.stem):
        yield DataRecord(commit, datetime.fromisoformat(when), who, subject, *parsed)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _git(record: Path, *words: str) -> str:
    """What git prints in the folder of a record; empty where it fails."""
    command = ["git", "-C", str(record.parent.absolute()), *words]
    try:
        done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    except FileNotFoundError:
        raise InputError("there is no git on this machine", "install it") from None
    return done.stdout.strip("\n") if done.returncode == 0 else ""
