"""The clock in the foreground: real threads and processes, times that come by the tenth of a second."""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipelines.schedule import clock
from pipelines.schedule.clock import CronTrigger, make_scheduler
from pipelines.schedule.cron import parse
from tests.pipelines.conftest import Project


@dataclass
class Ticks:
    """Due so many seconds after every moment."""

    every_s: float

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        return moment + timedelta(seconds=self.every_s)


def ticking(name: str, every_s: float) -> Any:
    return SimpleNamespace(name=name, times=Ticks(every_s), zone=ZoneInfo("UTC"))


def test_the_trigger_follows_the_schedule_s_own_times() -> None:
    schedule: Any = SimpleNamespace(times=parse("30 2 * * *"), zone=ZoneInfo("Europe/Berlin"))
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    first = CronTrigger(schedule).get_next_fire_time(None, now)
    assert [first, CronTrigger(schedule).get_next_fire_time(first, now)] == [
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]


def test_one_runs_at_a_time_and_what_was_missed_is_one_run() -> None:
    running, most, starts, lock = [0], [0], [], threading.Lock()

    def start(schedule: Any) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            starts.append(schedule.name)
        time.sleep(0.2)
        with lock:
            running[0] -= 1

    scheduler = make_scheduler([ticking("a", 0.04), ticking("b", 0.04)], start)
    scheduler.start()
    time.sleep(0.8)
    scheduler.remove_all_jobs()
    scheduler.shutdown(wait=True)
    assert most == [1]
    assert set(starts) == {"a", "b"}
    assert len(starts) <= 6  # not the forty that were due


def test_what_is_long_past_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "GRACE_S", 1)
    starts: list[str] = []
    scheduler = make_scheduler([ticking("a", 5000)], lambda schedule: starts.append(schedule.name))
    scheduler.start(paused=True)
    scheduler.modify_job("a", next_run_time=datetime.now(UTC) - timedelta(hours=2))  # as after a night's sleep of the machine
    scheduler.resume()
    time.sleep(0.5)
    due = scheduler.get_job("a").next_run_time
    scheduler.shutdown(wait=True)
    assert starts == []
    assert due > datetime.now(UTC)


@pytest.mark.slow
def test_ctrl_c_ends_the_clock_and_sigterm_does_too(project: Project) -> None:
    path = project.folder / "params.yaml"
    path.write_text(path.read_text().replace("schedules: []\n", "schedules:\n  - {name: yearly, cron: '0 0 1 1 *'}\n"))
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(project.command("schedule", "start"), cwd=project.folder, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        while "Ctrl-C ends it" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(1)
        os.kill(process.pid, number)
        assert process.wait(30) == 0
        process.stderr.close()
