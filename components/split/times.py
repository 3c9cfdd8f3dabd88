"""Dates and times that a table holds as texts, written in any way of which it is clear what comes first."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from darkroom.system.errors import InputError

_MISSING = frozenset({"", "-", "?", "n/a", "na", "nan", "nat", "none", "null", "unknown", "missing"})
_CLOCK = (
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<zone>Z|[-+]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})(?P<mark>[-/.:])(?P<month>\d{{1,2}})(?:(?P=mark)(?P<day>\d{{1,2}}))?{_CLOCK}")
_YEAR_LAST = re.compile(rf"(?P<one>\d{{1,2}})(?P<mark>[-/.])(?P<two>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}){_CLOCK}")


def read_times(texts: Sequence[str | None], column: str) -> list[datetime | None] | None:
    """Reads a column of texts as times, those of other zones as UTC.

    Args:
        texts: The cells; an empty one, and one that says so (`unknown`), has no value.
        column: Its name, for messages.

    Returns:
        A time or nothing for each; nothing at all where some text is no date.

    Raises:
        InputError: They are dates of which nobody can say whether the day or the month comes first.
    """
    cells = [None if text is None or text.strip().casefold() in _MISSING else text.strip() for text in texts]
    known = [cell for cell in cells if cell]
    for pattern in (_YEAR_FIRST, _YEAR_LAST):
        found = [pattern.fullmatch(cell) for cell in known]
        if known and all(found):
            matches = [one.groupdict() for one in found if one]
            if pattern is _YEAR_LAST:
                matches = _with_order(matches, known, column)
            try:
                times = iter([_time(one) for one in matches])
            except (ValueError, OverflowError):  # such as a 13th month
                return None
            return [next(times) if cell else None for cell in cells]
    return None


def _with_order(matches: list[dict[str, Any]], cells: Sequence[str], column: str) -> list[dict[str, Any]]:
    """The parts with their day and month: the day is first where there are points, else where some first number is no month."""
    if matches[0]["mark"] == "." or any(int(one["one"]) > 12 for one in matches):
        names = ("day", "month")
    elif any(int(one["two"]) > 12 for one in matches):
        names = ("month", "day")
    else:
        raise InputError(
            f"column {column!r} (split.hold_out) holds dates such as {cells[0]!r}, of which nobody can say whether the day or the month "
            "comes first: write them as 2024-01-31"
        )
    return [{**one, names[0]: one["one"], names[1]: one["two"]} for one in matches]


def _time(parts: dict[str, Any]) -> datetime:
    least = {"year": 1, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}
    numbers = [int(parts[name] or value) for name, value in least.items()]
    time = datetime(*numbers, tzinfo=UTC)  # type: ignore[misc, arg-type]
    if (zone := parts["zone"]) and zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        time += -offset if zone[0] == "+" else offset
    return time.replace(tzinfo=None)
