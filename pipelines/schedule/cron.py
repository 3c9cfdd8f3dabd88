"""Cron: when a schedule is due, from five fields and a time zone; and the same times as cron, Kubeflow and systemd write them.

Where day of month and day of week are both given, either is enough, as in every cron. The parsers on PyPI (croniter 6, cronsim 2) take
fields on whose meaning crons disagree, and start a job whose time the clocks skip at another time than `next_after` does.
"""

import calendar
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from darkroom.system.errors import InputError

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES: tuple[dict[str, int], ...] = ({}, {}, {}, _MONTHS, _WEEKDAYS)
_PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?")
_EXAMPLE = "give five fields, minute hour day month weekday, such as '0 2 * * 0' for Sundays at 2"


@dataclass(frozen=True)
class Cron:
    """Times of the wall clock.

    Attributes:
        minutes: 0 to 59.
        hours: 0 to 23.
        days: Of the month, 1 to 31; empty where they don't matter.
        months: 1 to 12.
        weekdays: 0 (Sunday) to 6; empty where they don't matter. Where days are given too, either is enough.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def is_due_on(self, day: date) -> bool:
        """Whether it is due at any time of a day."""
        if day.month not in self.months:
            return False
        if not (self.days or self.weekdays):
            return True
        return day.day in self.days or day.isoweekday() % 7 in self.weekdays

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first time that it is due after a moment, in UTC.

        A time that the clocks skip is taken an hour later; one that they repeat is taken once, unless every hour is due.

        Args:
            moment: An aware time.
            zone: The time zone of the wall clock.
        """
        folds = (0, 1) if len(self.hours) == 24 else (0,)
        day = moment.astimezone(zone).date() - timedelta(days=1)
        while True:  # `parse` refuses what is never due
            if self.is_due_on(day):
                walls = [
                    datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
                    for hour in self.hours
                    for minute in self.minutes
                    for fold in folds
                ]
                later = [time for wall in walls if (time := wall.astimezone(UTC)) > moment]
                if later:
                    return min(later)
            day += timedelta(days=1)

    def fields(self) -> str:
        """Five fields, each a star or a list of numbers."""
        whole = (60, 24, 0, 12, 0)
        values = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join("*" if len(part) == size else ",".join(map(str, part)) for part, size in zip(values, whole, strict=True))

    def systemd(self, zone: ZoneInfo) -> list[str]:
        """Values of `OnCalendar=`: two where either a day of the month or a weekday is enough."""
        months = "*" if len(self.months) == 12 else ",".join(f"{month:02}" for month in self.months)
        days = ",".join(f"{day:02}" for day in self.days) or "*"
        clock = ":".join(
            "*" if len(part) == size else ",".join(f"{value:02}" for value in part) for part, size in ((self.hours, 24), (self.minutes, 60))
        )
        names = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
        weekdays = ",".join(names[day] for day in self.weekdays)
        dated = f"*-{months}-{days} {clock}:00 {zone.key}"
        if not weekdays:
            return [dated]
        weekly = f"{weekdays} *-{months}-* {clock}:00 {zone.key}"
        return [weekly, dated] if self.days else [weekly]


def parse(text: str) -> Cron:
    """Reads five fields.

    Raises:
        InputError: There are not five, a value is out of bounds, crons disagree on the meaning, or it is never due.
    """
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise InputError(f"cron {text!r} has {len(fields)} fields: {_EXAMPLE}")
    minutes, hours, days, months, weekdays = (_values(text, number, field) for number, field in enumerate(fields))
    weekdays = tuple(sorted({day % 7 for day in weekdays}))
    starred = [fields[number].startswith("*") for number in (2, 4)]
    stepped = [fields[number].startswith("*/") for number in (2, 4)]
    if (stepped[0] and not fields[4] == "*") or (stepped[1] and not fields[2] == "*"):
        raise InputError(f"cron {text!r}: crons disagree on */ in one of day of month and day of week beside the other; list the days")
    days = () if starred[0] and not stepped[0] else days
    weekdays = () if starred[1] and not stepped[1] else weekdays
    if len(days) == 31 or len(weekdays) == 7:  # one of them is always enough
        days = weekdays = ()
    if days and not weekdays and min(days) > max(calendar.monthrange(2024, month)[1] for month in months):
        raise InputError(f"cron {text!r} is never due: no such month has a day {min(days)}")
    return Cron(minutes, hours, days, months, weekdays)


def read_zone(name: str) -> ZoneInfo:
    """A time zone by its name.

    Raises:
        InputError: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(f"time zone {name!r} is not known: give a name such as UTC or Europe/Berlin") from None


def keeps_offset(zone: ZoneInfo, other: ZoneInfo, at: datetime) -> bool:
    """Whether two zones are the same time apart for the year after a moment."""
    return len({_offset_between(zone, other, at + timedelta(days=week * 7)) for week in range(53)}) == 1


def in_zone(cron: Cron, zone: ZoneInfo, other: ZoneInfo, at: datetime) -> Cron:
    """The same times on a clock in another zone, as the clocks stand at a moment.

    Raises:
        InputError: They can't be written as five fields there.
    """
    shift = int(_offset_between(zone, other, at).total_seconds() // 60)
    times = sorted(hour * 60 + minute + shift for hour in cron.hours for minute in cron.minutes)
    carried = {time // 1440 for time in times}
    hours, minutes = tuple(sorted({time % 1440 // 60 for time in times})), tuple(sorted({time % 60 for time in times}))
    every_day = not cron.days and not cron.weekdays and len(cron.months) == 12
    days_move = carried != {0} and not every_day
    if len(hours) * len(minutes) != len(times) or (days_move and (len(carried) > 1 or cron.days or len(cron.months) < 12)):
        raise InputError(f"cron {cron.fields()!r} in {zone.key} can't be written in {other.key}: choose times that fall on one day in both")
    weekdays = tuple(sorted((day + min(carried)) % 7 for day in cron.weekdays)) if days_move else cron.weekdays
    return replace(cron, minutes=minutes, hours=hours, weekdays=weekdays)


def _offset_between(zone: ZoneInfo, other: ZoneInfo, at: datetime) -> timedelta:
    offset, other_offset = at.astimezone(zone).utcoffset(), at.astimezone(other).utcoffset()
    assert offset is not None and other_offset is not None
    return other_offset - offset


def _values(text: str, number: int, field: str) -> tuple[int, ...]:
    low, high = _BOUNDS[number]
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None or (match["first"] == "*" and match["last"]):
            raise InputError(f"cron {text!r}: {part!r} is no {_FIELDS[number]}; {_EXAMPLE}")
        first = low if match["first"] == "*" else _number(text, number, match["first"])
        to_the_end = match["first"] == "*" or (match["step"] and not match["last"])
        last = min(high, 6 if number == 4 else high) if to_the_end else _number(text, number, match["last"] or match["first"])
        step = int(match["step"] or 1)
        if not (low <= first <= last <= high and step > 0):
            raise InputError(f"cron {text!r}: {part!r} is out of bounds, a {_FIELDS[number]} is {low} to {high}, the smaller one first")
        found.update(range(first, last + 1, step))
    return tuple(sorted(found))


def _number(text: str, number: int, word: str) -> int:
    named = _NAMES[number].get(word.lower())
    if named is None and not (word.isascii() and word.isdecimal()):
        raise InputError(f"cron {text!r}: {word!r} is no {_FIELDS[number]}; {_EXAMPLE}")
    return int(word) if named is None else named
