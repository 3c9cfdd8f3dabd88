"""The clock: starts schedules on this machine, in the foreground, when they are due; a missed run is not made up for."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from pipelines.schedule.schedules import Schedule

GRACE_S = 300  # a run that could not start within this long of its time is left out


class CronTrigger(BaseTrigger):  # type: ignore[misc]
    """Tells APScheduler when a schedule is due: its own cron knows neither crontab's weekdays nor its either-or of days."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next time after the last one, or after now."""
        return self.schedule.times.next_after((previous_fire_time or now).astimezone(UTC), self.schedule.zone)


def make_scheduler(schedules: list[Schedule], start: Callable[[Schedule], Any]) -> BackgroundScheduler:
    """A scheduler that starts what is due: one at a time; several missed times are one run, and one that is long past is left out.

    Args:
        schedules: What there is to start.
        start: Starts one and returns when it is done.
    """
    scheduler = BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE_S},
        timezone=UTC,
    )
    for schedule in schedules:
        scheduler.add_job(start, CronTrigger(schedule), [schedule], id=schedule.name, name=schedule.name)
    return scheduler


class Subprocesses:
    """Runs schedules as processes of their own, one at a time."""

    def __init__(self, params: Path) -> None:
        self._params = params
        self._running: subprocess.Popen[bytes] | None = None

    def __call__(self, schedule: Schedule) -> None:
        """Runs a schedule and waits until it has ended."""
        command = [sys.executable, "-m", "pipelines", "schedule", "run", schedule.name, "--params", str(self._params)]
        self._running = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._running.wait()

    def interrupt(self) -> None:
        """Ends the schedule that is running, as Ctrl-C would."""
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(signal.SIGINT)
            self._running.wait()


def run_forever(schedules: list[Schedule], params: Path) -> None:
    """Starts what is due until this process is ended by Ctrl-C or SIGTERM."""
    stop, subprocesses = threading.Event(), Subprocesses(params)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    scheduler = make_scheduler(schedules, subprocesses)
    scheduler.start()
    stop.wait()
    scheduler.remove_all_jobs()
    subprocesses.interrupt()
    scheduler.shutdown(wait=True)
