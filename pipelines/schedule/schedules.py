"""Schedules as code: what `schedules:` in `params.yaml` says, and checked."""

import json
from dataclasses import dataclass
from datetime import datetime
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


def _schedule(entry: dict[str, Any]) -> Schedule:
    config = parse(ScheduleConfig, SECTION, entry)
    try:
        return Schedule(config, cron.parse(config.cron), cron.read_zone(config.time_zone))
    except InputError as error:
        raise InputError(f"schedule {config.name!r}: {error}") from None


def _as_word(value: Any) -> str:
    """A value as `--set` takes it."""
    return value if isinstance(value, str) and value_of(value) == value else json.dumps(value, ensure_ascii=False)
