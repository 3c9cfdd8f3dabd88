"""Schedules on Kubeflow: recurring runs, made, replaced and removed until they are what `params.yaml` says.

Only what bears this project's mark in its description is touched. A recurring run can't be changed, so another one takes
its place; the new one is made before the old one goes. What a crash leaves in between is removed by the next `apply`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from darkroom.system.errors import InputError
from pipelines.schedule import cron
from pipelines.schedule.journal import is_failing
from pipelines.schedule.schedules import Schedule

ACTIVE = {"PENDING", "RUNNING", "CANCELING", "PAUSED", "RUNTIME_STATE_UNSPECIFIED"}
ENDED = {"SUCCEEDED": "ended well", "FAILED": "failed", "CANCELED": "cancelled", "SKIPPED": "skipped"}
_MARK = re.compile(r"darkroom-schedule project=(?P<project>\S+) name=(?P<name>\S+) content=(?P<content>[0-9a-f]+)")
_UTC = ZoneInfo("UTC")

Action = Literal["created", "unchanged", "replaced", "waiting", "removed"]


@dataclass(frozen=True)
class DesiredRun:
    """A recurring run as it should be.

    Attributes:
        schedule: What asks for it.
        experiment: The experiment that it belongs to.
        package: The compiled pipeline.
        arguments: The pipeline's arguments.
    """

    schedule: Schedule
    experiment: str
    package: Path
    arguments: Mapping[str, Any]

    @property
    def content(self) -> str:
        """Hash of all that makes it what it is."""
        schedule = self.schedule
        parts = [schedule.times.fields(), schedule.zone.key, self.experiment, self.arguments]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode() + self.package.read_bytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class KnownRun:
    """A recurring run that this project made.

    Attributes:
        recurring_id: Kubeflow's id.
        experiment_id: Kubeflow's id of its experiment.
        name: The schedule's name.
        content: Hash of what it was made from.
        cron: Its expression.
        enabled: Whether it is not paused.
    """

    recurring_id: str
    experiment_id: str
    name: str
    content: str
    cron: str
    enabled: bool


@dataclass(frozen=True)
class Change:
    """What became of one schedule: an action, and one sentence where there is more to say."""

    name: str
    action: Action
    note: str = ""


def expressions(schedule: Schedule, now: datetime) -> list[str]:
    """Kubeflow's six fields, seconds first, with the time zone; and as the clocks stand now in UTC, for a server that knows no zones.

    Raises:
        InputError: The times can't be written in UTC.
    """
    zoned = f"TZ={schedule.zone.key} 0 {schedule.times.fields()}"
    in_utc = f"0 {cron.in_zone(schedule.times, schedule.zone, _UTC, now).fields()}"
    return [in_utc] if schedule.zone.key == "UTC" else [zoned, in_utc]


class RecurringRuns:
    """The recurring runs of one project.

    Args:
        client: A `kfp.Client`.
        project: What the project is called in the marks.
        namespace: Kubeflow's namespace, or empty.
    """

    def __init__(self, client: Any, project: str, namespace: str = "") -> None:
        self._client, self._namespace = client, namespace or None
        self._project = re.sub(r"\s+", "-", project)

    def known(self) -> list[KnownRun]:
        """What this project made and is still there, the newest last."""
        found, token = [], ""
        while True:
            page = self._client.list_recurring_runs(page_token=token, page_size=100, namespace=self._namespace, sort_by="created_at asc")
            found += [known for run in page.recurring_runs or [] if (known := self._read(run))]
            token = page.next_page_token or ""
            if not token:
                return found

    def apply(self, desired: list[DesiredRun], now: datetime) -> list[Change]:
        """Makes, replaces and removes until the server has what is desired; a second time changes nothing.

        Args:
            desired: All that should be there.
            now: Decides how far the zones' clocks are apart.

        Raises:
            InputError: The server takes neither form of a schedule's times.
        """
        known = self.known()
        changes = [self._apply_one(one, [old for old in known if old.name == one.schedule.name], now) for one in desired]
        names = {one.schedule.name for one in desired}
        for old in known:
            if old.name not in names:
                self._client.delete_recurring_run(old.recurring_id)
                changes.append(Change(old.name, "removed", "it is not in params.yaml any more"))
        return changes

    def pause(self, name: str) -> None:
        """Disables a schedule's recurring run."""
        for known in self.named(name):
            self._client.disable_recurring_run(known.recurring_id)

    def resume(self, name: str) -> None:
        """Enables it again; what was missed is not made up for."""
        for known in self.named(name):
            self._client.enable_recurring_run(known.recurring_id)

    def remove(self, name: str) -> None:
        """Deletes it."""
        for known in self.named(name):
            self._client.delete_recurring_run(known.recurring_id)

    def named(self, name: str) -> list[KnownRun]:
        """The recurring runs of one schedule, usually one.

        Raises:
            InputError: There is none.
        """
        found = [known for known in self.known() if known.name == name]
        if not found:
            raise InputError(f"Kubeflow has no schedule {name!r} of this project: `darkroom schedule apply` hands it over")
        return found

    def endings(self, known: KnownRun, limit: int = 3) -> list[str]:
        """How its last runs ended, oldest first: `ended well`, `failed` ...; runs under way are left out."""
        states = [str(run.state) for run in self._runs(known) if str(run.state) not in ACTIVE]
        return [ENDED.get(state, state.lower()) for state in states[:limit]][::-1]

    def active(self, known: KnownRun) -> list[str]:
        """The ids of its runs that are under way."""
        return [str(run.run_id) for run in self._runs(known) if str(run.state) in ACTIVE]

    def is_failing(self, known: KnownRun) -> bool:
        """Whether its last runs all failed."""
        return is_failing(self.endings(known))

    def _runs(self, known: KnownRun) -> list[Any]:
        """The newest runs of a recurring run, newest first; Kubeflow can't search by it, so the experiment's are looked through."""
        page = self._client.list_runs(
            page_size=100, sort_by="created_at desc", experiment_id=known.experiment_id, namespace=self._namespace
        )
        return [run for run in page.runs or [] if run.recurring_run_id == known.recurring_id]

    def _apply_one(self, desired: DesiredRun, existing: list[KnownRun], now: datetime) -> Change:
        name, allowed = desired.schedule.name, expressions(desired.schedule, now)
        unchanged = [old for old in existing if old.content == desired.content and old.cron in allowed]
        outdated = [old for old in existing if old not in unchanged[:1]]
        for old in outdated:
            if active := self.active(old):
                return Change(name, "waiting", f"it changed, but run {active[0]} of it is under way: apply again when that has ended")
        note = "" if unchanged else self._create(desired, allowed, enabled=all(old.enabled for old in existing))
        for old in outdated:
            self._client.delete_recurring_run(old.recurring_id)
        if unchanged:
            return Change(name, "unchanged")
        return Change(name, "replaced" if existing else "created", note)

    def _create(self, desired: DesiredRun, allowed: list[str], *, enabled: bool) -> str:
        """Makes a recurring run, in the first form that the server takes; says so where that is not the first."""
        from kfp_server_api.exceptions import ApiException

        schedule = desired.schedule
        experiment = self._client.create_experiment(desired.experiment, namespace=self._namespace)
        mark = f"darkroom-schedule project={self._project} name={schedule.name} content={desired.content}"
        reason = ""
        for number, expression in enumerate(allowed):
            try:
                self._client.create_recurring_run(
                    experiment.experiment_id, schedule.name, cron_expression=expression, max_concurrency=1, no_catchup=True,
                    description=f"{schedule.config.cron} in {schedule.zone.key}. Made by `darkroom schedule apply`; {mark}",
                    params=dict(desired.arguments), pipeline_package_path=str(desired.package), enabled=enabled,
                )  # fmt: skip
            except ApiException as error:
                if error.status != 400:
                    raise
                reason = str(error.body or error.reason)[:300]
                continue
            return self._utc_note(schedule, expression) if number else ""
        raise InputError(f"Kubeflow does not take schedule {schedule.name!r}: {' '.join(reason.split())}")

    def _utc_note(self, schedule: Schedule, expression: str) -> str:
        if cron.keeps_offset(schedule.zone, _UTC, datetime.now(UTC)):
            return f"this Kubeflow knows no time zones: it runs at the same time in UTC ({expression})"
        return f"this Kubeflow knows no time zones: it runs in UTC ({expression}); apply again when the clocks change"

    def _read(self, run: Any) -> KnownRun | None:
        match = _MARK.search(run.description or "")
        if match is None or match["project"] != self._project:
            return None
        expression = run.trigger.cron_schedule.cron if run.trigger and run.trigger.cron_schedule else ""
        enabled = str(run.status or run.mode) in ("ENABLED", "ENABLE")
        return KnownRun(run.recurring_run_id, run.experiment_id, match["name"], match["content"], expression, enabled)
