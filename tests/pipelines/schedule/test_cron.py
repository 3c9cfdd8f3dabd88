"""Cron expressions: exact times, the clocks' changes, other zones, and what is written for systemd, as systemd itself reads it."""

import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.system.errors import InputError
from pipelines.schedule.cron import in_zone, keeps_offset, parse, read_zone

BERLIN, KOLKATA, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")


def due(text: str, start: str, number: int, zone: ZoneInfo = UTC_ZONE) -> list[str]:
    moment, found = datetime.fromisoformat(start).replace(tzinfo=zone), []
    for _ in range(number):
        moment = parse(text).next_after(moment, zone)
        found.append(f"{moment.astimezone(zone):%Y-%m-%d %H:%M %z}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 2 * * 0", ["2026-11-29 02:00 +0000", "2026-12-06 02:00 +0000"]),
        ("0 2 * * 7", ["2026-11-29 02:00 +0000", "2026-12-06 02:00 +0000"]),
        ("0 2 * * sun", ["2026-11-29 02:00 +0000", "2026-12-06 02:00 +0000"]),
        ("*/20 9-10 * * 5-7", ["2026-11-27 09:00 +0000", "2026-11-27 09:20 +0000"]),
        ("30 4 1,15 * 5", ["2026-11-27 04:30 +0000", "2026-12-01 04:30 +0000", "2026-12-04 04:30 +0000"]),
        ("0 0 29 2 *", ["2028-02-29 00:00 +0000", "2032-02-29 00:00 +0000"]),
        ("15 12 */10 jan *", ["2027-01-01 12:15 +0000", "2027-01-11 12:15 +0000"]),
    ],
)
def test_the_next_times(text: str, expected: list[str]) -> None:
    assert due(text, "2026-11-24 23:20", len(expected)) == expected


def test_a_skipped_hour_is_taken_later_and_a_repeated_one_once() -> None:
    assert due("30 2 * * *", "2026-03-28 12:00", 2, BERLIN) == ["2026-03-29 03:30 +0200", "2026-03-30 02:30 +0200"]
    assert due("30 2 * * *", "2026-10-24 12:00", 2, BERLIN) == ["2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"]
    hourly = due("0 * * * *", "2026-10-25 00:30", 4, BERLIN)
    assert hourly == ["2026-10-25 01:00 +0200", "2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 2 * *", "has 4 fields: give five fields"),
        ("0 0 2 * * 0", "has 6 fields"),
        ("60 2 * * *", "'60' is out of bounds, a minute is 0 to 59"),
        ("0 2 * * 8", "'8' is out of bounds, a day of week is 0 to 7"),
        ("0 2 0 * *", "'0' is out of bounds, a day of month is 1 to 31"),
        ("0 2 * * fri-mon", "'fri-mon' is out of bounds"),
        ("0 2 * foo *", "'foo' is no month"),
        ("0/0 2 * * *", "'0/0' is out of bounds"),
        ("0 2 L * *", "'L' is no day of month"),
        ("@daily", "has 1 fields"),
        ("0 2 31 2,4 *", "is never due: no such month has a day 31"),
        ("0 2 */2 * 1", "crons disagree"),
        ("0 2 1 * */2", "crons disagree"),
        ("0 2 ٣ * *", "is no day of month"),
    ],
)
def test_what_is_no_cron_is_told_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        parse(text)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../../etc/passwd", "europe/nowhere", "/etc/localtime", "a\0b"])
def test_what_is_no_time_zone_is_told_in_a_sentence(name: str) -> None:
    with pytest.raises(InputError, match="is not known: give a name such as UTC or Europe/Berlin"):
        read_zone(name)


def test_fields_are_written_so_that_they_mean_the_same_again() -> None:
    assert parse("0 2 * * 5-7").fields() == "0 2 * * 0,5,6"
    assert parse("*/15 0-23 1-31 * mon").fields() == "0,15,30,45 * * * *"  # every day of the month is enough
    assert parse("0 2 13 * fri").fields() == "0 2 13 * 5"


@given(
    st.lists(st.integers(0, 59), min_size=1, max_size=3),
    st.lists(st.integers(0, 23), min_size=1, max_size=3),
    st.lists(st.integers(1, 28), max_size=3),
    st.lists(st.integers(0, 7), max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_every_time_is_one_that_the_fields_name(minutes: list[int], hours: list[int], days: list[int], weekdays: list[int]) -> None:
    parts = [",".join(map(str, part)) or "*" for part in (minutes, hours, days)]
    cron = parse(f"{' '.join(parts)} * {','.join(map(str, weekdays)) or '*'}")
    times = [datetime(2026, 1, 1, tzinfo=UTC)]
    for _ in range(6):
        times.append(cron.next_after(times[-1], UTC_ZONE))
    assert all(one < two for one, two in pairwise(times))
    for time in times[1:]:
        assert time.minute in minutes and time.hour in hours
        named = [time.day in days] * bool(days) + [time.isoweekday() % 7 in {day % 7 for day in weekdays}] * bool(weekdays)
        assert any(named) or not named
    assert parse(cron.fields()) == cron


def test_times_move_to_another_zone_with_their_weekdays() -> None:
    winter, summer = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    assert in_zone(parse("0 2 * * 0"), BERLIN, UTC_ZONE, winter).fields() == "0 1 * * 0"
    assert in_zone(parse("0 1 * * 0"), BERLIN, UTC_ZONE, summer).fields() == "0 23 * * 6"
    assert in_zone(parse("15 3,4 * * *"), KOLKATA, UTC_ZONE, summer).fields() == "45 21,22 * * *"
    assert in_zone(parse("0 23,0 * * *"), BERLIN, UTC_ZONE, winter).fields() == "0 22,23 * * *"
    assert in_zone(parse("*/30 * * * *"), KOLKATA, UTC_ZONE, winter).fields() == "0,30 * * * *"
    assert [keeps_offset(zone, UTC_ZONE, winter) for zone in (BERLIN, KOLKATA)] == [False, True]
    for text in ("0 0 1 * *", "0 0,12 * * 1", "0,40 2,3 * * *"):
        with pytest.raises(InputError, match="can't be written in"):
            in_zone(parse(text), KOLKATA, UTC_ZONE, winter)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")
@pytest.mark.parametrize("text", ["0 2 * * 0", "*/20 9-10 * * 5-7", "30 4 1,15 * 5", "0 0 29 2 *", "0 * * jan,feb *", "* * * * *"])
def test_systemd_understands_the_same_times(text: str) -> None:
    start = datetime(2026, 11, 24, 23, 20, tzinfo=UTC)
    times: set[str] = set()
    for line in parse(text).systemd(BERLIN):
        words = ["systemd-analyze", "calendar", "--iterations=8", f"--base-time={start:%Y-%m-%d %H:%M:%S} UTC", line]
        shown = subprocess.run(words, capture_output=True, text=True, check=True, env={"TZ": "UTC"}).stdout
        times |= set(re.findall(r"(?:Next elapse|Iter\S+ #\d+): \w+ ([-\d]+ [\d:]+) UTC", shown))
        assert times, shown
    moment, expected = start, []
    for _ in range(6):
        moment = parse(text).next_after(moment, BERLIN)
        expected.append(f"{moment:%Y-%m-%d %H:%M:%S}")
    assert sorted(times)[:6] == expected


def test_a_day_is_a_day_whatever_the_hour() -> None:
    assert parse("0 2 13 * fri").is_due_on(date(2026, 11, 13) + timedelta(days=7))
    assert not parse("0 2 13 * fri").is_due_on(date(2026, 11, 14))
