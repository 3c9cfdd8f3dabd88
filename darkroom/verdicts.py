"""The verdicts: what people decided about images, a line each in `verdicts.csv`; lines are only ever added.

Columns: `image_id`, `verdict` (keep, drop or relabel), `label` (of relabel; several are joined by `|`, or a JSON list where a name has
that sign in it), `who`, and `when` (UTC, ISO 8601). Of several verdicts about an image the latest counts.
"""

import csv
import fcntl
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from darkroom.spelling import folded
from darkroom.system.errors import InputError

FILE = "verdicts.csv"  # in the data's root
SETTING = "clean.verdicts"  # names a file beside that one
KEEP, DROP, RELABEL = WORDS = ("keep", "drop", "relabel")
COLUMNS = ("image_id", "verdict", "label", "who", "when")
_JOINED = "|"
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Verdict:
    """What one person decided about one image.

    Attributes:
        image_id: The image.
        word: `keep`, `drop` or `relabel`.
        label: What it shows, as it is written in the file; empty unless the word is `relabel`.
        who: The person.
        when: UTC, ISO 8601.
        place: Where it is written, for messages: the file and the line.
    """

    image_id: str
    word: str
    label: str
    who: str
    when: str
    place: str = ""

    def labels(self, classes: Collection[str], *, multilabel: bool) -> tuple[str, ...]:
        """The labels that `relabel` gives; one that is written as a single class is but for case and blanks is that class.

        Args:
            classes: Those that are known.
            multilabel: Whether there may be several, or none.

        Raises:
            InputError: One is not known.
        """
        given = _split(self.label, classes) if multilabel else (self.label if self.label in classes else self.label.strip(),)
        labels = [label if label in classes else _alike(label, classes) for label in given]
        for label in labels:
            if label not in classes:
                known = ", ".join(map(repr, sorted(classes)[:20])) + (" and more" if len(classes) > 20 else "")
                raise InputError(
                    f"{self.place} relabels an image to {label[:200]!r}, which is no class: known are {known}; write one of these in that "
                    f"line, or add a later verdict about the image (such as a last line {self.image_id},keep,,,)"
                )
        return tuple(dict.fromkeys(labels))


def _alike(label: str, classes: Collection[str]) -> str:
    """The one class that is written alike but for case and blanks, as where `ingest.labels` folds them; else the label."""
    found = [name for name in classes if folded(name) == folded(label)]
    return found[0] if len(found) == 1 else label


def joined(labels: Sequence[str]) -> str:
    """Labels as they stand in one cell."""
    plain = _JOINED.join(labels)
    return plain if len(labels) < 2 or plain.count(_JOINED) == len(labels) - 1 else json.dumps(list(labels), ensure_ascii=False)


def _split(cell: str, classes: Collection[str]) -> tuple[str, ...]:
    if cell in classes or not cell:
        return (cell,) if cell else ()
    if cell.startswith("["):
        try:
            return tuple(map(str, json.loads(cell)))
        except (ValueError, RecursionError):
            pass  # a name that begins so
    return tuple(part.strip() for part in cell.split(_JOINED))


def is_verdicts(data: bytes) -> bool:
    """Whether a file is one of verdicts, and not a table of the user's that has its name: by its first line."""
    return b"image_id" in data.partition(b"\n")[0]


def parse(data: bytes, name: str) -> list[Verdict]:
    """Reads a file of verdicts, in its own order.

    Args:
        data: Its bytes; none are a file without a verdict.
        name: What it is called in messages.

    Raises:
        InputError: A line is not as this module writes it; the file and the line are named.
    """
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError:
        raise InputError(f"{name} is not written in UTF-8: save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{name} line {reader.line_num} can't be read ({error}): correct the line") from None
    if not rows:
        return []
    header = [cell.strip().lower() for cell in rows[0][1]]
    _require_columns(header, COLUMNS[:2], f"{name} line {rows[0][0]}")
    found, latest_yet = list[Verdict](), ""
    for line, row in rows[1:]:
        place = f"{name} line {line}"
        if len(row) != len(header):
            raise InputError(f"{place} has {len(row)} cells, and the first line {len(header)}: correct the line")
        cells = dict(zip(header, row, strict=True))
        found.append(_verdict(cells, place, latest_yet))
        latest_yet = max(latest_yet, found[-1].when)
    return found


def _require_columns(header: Sequence[str], columns: Sequence[str], place: str) -> None:
    if missing := [column for column in columns if column not in header]:
        raise InputError(f"{place} names no column {missing[0]!r}: a file of verdicts begins with {','.join(COLUMNS)}")


def _verdict(cells: Mapping[str, str], place: str, before: str) -> Verdict:
    """One line; without a time of its own it comes right after all lines above, the latest of which was written at `before`."""
    image_id, word, when = cells["image_id"].strip().lower(), cells["verdict"].strip().lower(), cells.get("when", "").strip()
    label = cells.get("label", "")
    if not _IMAGE_ID.fullmatch(image_id):
        raise InputError(f"{place} has the image_id {image_id[:200]!r}, which is none (64 hexadecimal digits): correct the line")
    if word not in WORDS:
        raise InputError(f"{place} has the verdict {word[:200]!r}: it must be one of {', '.join(WORDS)}")
    if label.strip() and word != RELABEL:
        raise InputError(f"{place} has the verdict {word!r} and a label ({label[:200]!r}): leave the label empty, or write relabel")
    return Verdict(image_id, word, label, cells.get("who", "").strip(), _utc(when, place) if when else before, place)


def _utc(when: str, place: str) -> str:
    try:
        time = datetime.fromisoformat(when)
    except ValueError:
        raise InputError(f"{place} has the time {when[:200]!r}: write it as 2026-01-31T12:00:00Z") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="microseconds")


def latest(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """The verdict that counts, by `image_id`: the latest; of two of the same time, and of those without one, the one that comes later."""
    return {verdict.image_id: verdict for verdict in sorted(verdicts, key=lambda verdict: verdict.when)}


def read(path: Path) -> list[Verdict]:
    """Reads a file of verdicts, see `parse`; none where there is no file.

    Raises:
        InputError: A line is wrong, or the file can't be read.
    """
    return parse(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of a file of verdicts; none where there is no file.

    Raises:
        InputError: It can't be read.
    """
    try:
        return path.read_bytes() if path.exists() and stat.S_ISREG(path.stat().st_mode) else b""
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): name a file of verdicts, or where one can be made") from None


def version(data: bytes) -> str:
    """The version of a file of verdicts: its length, and the md5 of its bytes; no file is one without a line."""
    return f"{len(data)}-{hashlib.md5(data, usedforsecurity=False).hexdigest()}"


def at_version(data: bytes, wanted: str, name: str) -> bytes:
    """A file of verdicts as it was in a version: later lines are left out.

    Args:
        data: Its bytes now.
        wanted: What `version` gave then.
        name: What the file is called in messages.

    Raises:
        InputError: It does not begin as it was then.
    """
    length = wanted.partition("-")[0]
    then = data[: int(length)] if length.isdigit() else b""
    if version(then) != wanted:
        raise InputError(f"{name} is not, and does not continue, version {wanted} of clean.verdicts_version: bring it back, or empty that")
    return then


def read_at(path: Path, wanted: str) -> list[Verdict]:
    """Reads the file at `clean.verdicts` as it was in a version, see `parse`; none where there is no file.

    Args:
        path: The file.
        wanted: The version; empty: as it is now.

    Raises:
        InputError: A line is wrong, the file can't be read, or it does not begin as it was then.
    """
    data = read_bytes(path)
    return parse(at_version(data, wanted, f"{path} ({SETTING})") if wanted else data, str(path))


def append(path: Path, verdict: Verdict) -> None:
    """Adds a line to a file of verdicts, which is made where it is missing; when this returns, the line is on the disk.

    Args:
        path: The file.
        verdict: What to add.

    Raises:
        InputError: The file is a link, or it can't be written.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not stat.S_ISREG(os.fstat(file).st_mode) or os.fstat(file).st_nlink > 1:
                raise InputError(_LINK.format(path=path))
            _add(file, path, verdict)
        finally:
            os.close(file)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if path.is_symlink():
            raise InputError(_LINK.format(path=path)) from None
        remedy = "make its folder, and let this be written there, or name another file (clean.verdicts)"
        raise InputError(f"the verdict can't be written to {path} ({error.strerror}): {remedy}") from None


_LINK = "{path} is a link or a pipe, which no line is added to: make it a file of its own (`dvc unprotect {path}`)"


def _add(file: int, path: Path, verdict: Verdict) -> None:
    """Writes one line whole, or not at all."""
    size = os.fstat(file).st_size
    text = io.StringIO()
    if size and os.pread(file, 1, size - 1) != b"\n":
        text.write("\n")  # the last line was written by hand
    writer = csv.writer(text, lineterminator="\n")
    header = [cell.strip().lower() for cell in _first_line(file)]
    if header:
        _require_columns(header, COLUMNS, f"{path} line 1")
    else:
        writer.writerow(COLUMNS)
    cells = {"image_id": verdict.image_id, "verdict": verdict.word, "label": verdict.label, "who": verdict.who, "when": verdict.when}
    writer.writerow([cells.get(column, "") for column in header or COLUMNS])
    data = text.getvalue().encode()
    try:
        if os.write(file, data) != len(data):
            raise OSError(28, "no space left on the device")
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise


def _first_line(file: int) -> list[str]:
    text = os.pread(file, 65536, 0).decode("utf-8-sig", "replace")
    return next(csv.reader(io.StringIO(text, newline="")), [])


def now() -> str:
    """The time of a verdict that is given now."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
