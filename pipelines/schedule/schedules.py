"""Schedules as code: what `schedules:` in `params.yaml` says, checked, and written for cron and systemd."""

import json
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from darkroom.system.config import StepConfig, parse
from darkroom.system.errors import InputError
from darkroom.system.yaml_file import Section, read_yaml, value_of
from pipelines.retrain.decide import Window
from pipelines.schedule import cron
from pipelines.schedule.cron import Cron

SECTION = "schedules"


def _typed(values: Any) -> Any:
    """Settings as they were typed, such as `1.10`, where their value does not say it."""
    if not isinstance(values, Section):
        return values
    return {**values, **{name: text for name, text in values.texts.items() if json.dumps(values[name]) != text}}


class ScheduleConfig(StepConfig):
    """When retraining starts by itself: `darkroom schedule apply` hands it over to Kubeflow, `schedule start` does it here."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        max_length=60,
        examples=["nightly"],
        description="Letters, digits, dashes; the name it goes by everywhere.",
    )
    cron: str = Field(examples=["0 2 * * 0"], description="Minute hour day month weekday; 0 2 * * 0 is Sundays at 2.")
    time_zone: str = Field("UTC", examples=["Europe/Berlin"], description="The time zone of cron; UTC where it is left out.")
    run: Literal["retrain", "run"] = Field("retrain", description="retrain (only if there is reason to), or run (always).")
    data: str = Field("data", min_length=1, description="The data source.")
    window: Window = Field("", description="day, week or month: train once in each, even if nothing changed.")
    set: Annotated[dict[str, Any], BeforeValidator(_typed)] = Field(
        default_factory=dict, examples=[{"train.epochs": 20}], description="Settings over those above."
    )


@dataclass(frozen=True)
class Schedule:
    """A schedule whose entry has been checked.

    Attributes:
        config: Its entry.
        times: When it is due.
        zone: The time zone of those times.
    """

    config: ScheduleConfig
    times: Cron
    zone: ZoneInfo

    @property
    def name(self) -> str:
        """Its name in params.yaml."""
        return self.config.name

    @property
    def overrides(self) -> list[str]:
        """Its settings as `--set` takes them."""
        return [f"{name}={_as_word(value)}" for name, value in self.config.set.items()]

    def next_time(self, moment: datetime) -> datetime:
        """When it is due next after a moment, in its own time zone."""
        return self.times.next_after(moment, self.zone).astimezone(self.zone)


def read_schedules(params: Path) -> list[Schedule]:
    """The schedules in the file of settings, in their order.

    Raises:
        InputError: An entry is wrong, or two have one name.
    """
    sections = read_yaml(params)
    entries = (sections.get(SECTION) if isinstance(sections, dict) else None) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{params}: {SECTION} must be a list of entries, each with a name and a cron")
    found = [_schedule(entry) for entry in entries]
    names = [schedule.name for schedule in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{params}: two schedules are called {twice[0]!r}: give each a name of its own")
    return found


def find_schedule(params: Path, name: str) -> Schedule:
    """One schedule by its name.

    Raises:
        InputError: There is none of that name.
    """
    known = read_schedules(params)
    for schedule in known:
        if schedule.name == name:
            return schedule
    listed = ", ".join(schedule.name for schedule in known) or "none"
    raise InputError(f"there is no schedule {name!r} in {params}: known are {listed}")


def cron_lines(schedules: list[Schedule], project: Path, here: ZoneInfo, now: datetime) -> list[str]:
    """Lines for a crontab, in the time zone of this machine: Debian's cron knows no other.

    Args:
        schedules: What is to be started.
        project: The folder that it runs in.
        here: This machine's time zone.
        now: Decides how far apart the clocks are.

    Raises:
        InputError: Times can't be written in this machine's zone.
    """
    lines = [f"# Darkroom in {project}; times are {here.key}, the time zone of this machine."]
    for schedule in schedules:
        local = cron.in_zone(schedule.times, schedule.zone, here, now)
        lines.append(f"# {schedule.name}: {schedule.config.cron} in {schedule.zone.key}" + _warning(schedule, here, now))
        log = f"runs/schedules/{schedule.name}.log"
        command = f"cd {shlex.quote(str(project))} && mkdir -p runs/schedules && {_command(schedule)} >> {log} 2>&1"
        lines.append(f"{local.fields()} {command}".replace("%", r"\%"))
    return lines


def systemd_units(schedules: list[Schedule], project: Path) -> dict[str, str]:
    """Units for `~/.config/systemd/user/` by file name: a service and a timer a schedule; systemd takes the time zone into account."""
    units = {}
    for schedule in schedules:
        name = f"darkroom-{schedule.name}"
        calendar = "\n".join(f"OnCalendar={line}" for line in schedule.times.systemd(schedule.zone))
        folder, command = str(project).replace("%", "%%"), _command(schedule).replace("%", "%%")
        units[f"{name}.service"] = (
            f"[Unit]\nDescription=Darkroom: {schedule.name}\n\n[Service]\nType=oneshot\nWorkingDirectory={folder}\nExecStart={command}\n"
        )
        units[f"{name}.timer"] = (
            f"[Unit]\nDescription=When Darkroom starts {schedule.name}\n\n[Timer]\n{calendar}\nPersistent=false\n\n"
            "[Install]\nWantedBy=timers.target\n"
        )
    return units


def _schedule(entry: dict[str, Any]) -> Schedule:
    config = parse(ScheduleConfig, SECTION, entry)
    try:
        return Schedule(config, cron.parse(config.cron), cron.read_zone(config.time_zone))
    except InputError as error:
        raise InputError(f"schedule {config.name!r}: {error}") from None


def _command(schedule: Schedule) -> str:
    script = Path(sys.executable).with_name("darkroom")
    words = [str(script)] if script.is_file() else [sys.executable, "-m", "pipelines"]
    return shlex.join([*words, "schedule", "run", schedule.name])


def _warning(schedule: Schedule, here: ZoneInfo, now: datetime) -> str:
    if cron.keeps_offset(schedule.zone, here, now):
        return ""
    return f", with the offset of {now.astimezone(UTC):%Y-%m-%d}: export again when they change, or use systemd"


def _as_word(value: Any) -> str:
    """A value as `--set` takes it."""
    return value if isinstance(value, str) and value_of(value) == value else json.dumps(value, ensure_ascii=False)
