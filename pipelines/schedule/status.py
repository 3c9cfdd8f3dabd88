"""The schedules at a glance: what params.yaml says, beside what there is on Kubeflow or on this machine."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.params import read_settings
from pipelines.schedule import journal
from pipelines.schedule.apply import KnownRun, RecurringRuns
from pipelines.schedule.scheduled_run import JOURNALS
from pipelines.schedule.schedules import Schedule, read_schedules


def overview(params: Path, now: datetime) -> list[dict[str, Any]]:
    """A row a schedule: `name`, `cron`, `time_zone`, `where`, `next`, `state`, `last` (how its last runs ended), `failing`.

    Args:
        params: The file of settings.
        now: Decides on the next run.

    Raises:
        InputError: An entry is wrong, or Kubeflow can't be asked.
    """
    schedules, platform = read_schedules(params), read_settings([], params)[1]
    if not platform.endpoint:
        return [_local_row(schedule, now) for schedule in schedules]
    from pipelines.schedule.desired_runs import recurring_runs

    with recurring_runs(platform) as runs:
        known = runs.known()
        names = {schedule.name for schedule in schedules}
        rows = [_kubeflow_row(schedule, runs, known, now) for schedule in schedules]
        return rows + [_removed_row(old, runs) for old in known if old.name not in names]


def _local_row(schedule: Schedule, now: datetime) -> dict[str, Any]:
    since = journal.paused_since(JOURNALS, schedule.name)
    endings = [entry.ending for entry in journal.entries(JOURNALS, schedule.name)]
    failing = journal.is_failing([str(ending) for ending in endings])
    state = f"paused since {since}" if since else "failing" if failing else "ready"
    return _row(schedule, now) | {"where": "this machine", "state": state, "last": endings[-3:], "failing": failing}


def _kubeflow_row(schedule: Schedule, runs: RecurringRuns, known: list[KnownRun], now: datetime) -> dict[str, Any]:
    own = [one for one in known if one.name == schedule.name]
    if not own:
        return _row(schedule, now) | {"where": "nowhere", "state": "not applied", "last": [], "failing": False}
    failing = runs.is_failing(own[-1])
    state = "paused" if not own[-1].enabled else "failing" if failing else "ready"
    return _row(schedule, now) | {"where": "Kubeflow", "state": state, "last": runs.endings(own[-1]), "failing": failing}


def _removed_row(old: KnownRun, runs: RecurringRuns) -> dict[str, Any]:
    row = {"name": old.name, "cron": old.cron, "time_zone": "", "next": "", "where": "Kubeflow"}
    return row | {"state": "not in params.yaml", "last": runs.endings(old), "failing": runs.is_failing(old)}


def _row(schedule: Schedule, now: datetime) -> dict[str, Any]:
    next_time = f"{schedule.next_time(now):%Y-%m-%d %H:%M %Z}"
    return {"name": schedule.name, "cron": schedule.config.cron, "time_zone": schedule.zone.key, "next": next_time}
