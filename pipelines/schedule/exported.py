"""Schedules for cron and systemd: lines that start them with the settings and the environment that they were exported with.

What is a secret is not written: a comment names it.
"""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from darkroom.system.secrets import is_secret
from darkroom.tracking.sqlite_store import from_root
from pipelines.options import DEFAULT_PARAMS
from pipelines.schedule import cron
from pipelines.schedule.schedules import Schedule

_CARRIED = re.compile(
    r"(MLFLOW|DARKROOM|AWS|GIT|KF_PIPELINES)_\w+|TMPDIR|DOCKER_HOST|REQUESTS_CA_BUNDLE|SSL_CERT_FILE|(https?|no)_proxy", re.I
)
_STORE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class Start:
    """How a schedule is started.

    Attributes:
        project: The folder that it runs in.
        params: The file of settings, seen from there.
        variables: What the environment brings.
        secrets: Names of the variables that it must bring besides.
    """

    project: Path
    params: Path = DEFAULT_PARAMS
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    def command(self, schedule: Schedule) -> str:
        """The command line that runs a schedule once."""
        script = Path(sys.executable).with_name("darkroom")
        words = [str(script)] if script.is_file() else [sys.executable, "-m", "pipelines"]
        options = ["--params", str(self.params)] if self.params != DEFAULT_PARAMS else []
        return shlex.join([*words, "schedule", "run", schedule.name, *options])

    def needs(self) -> list[str]:
        """A comment about the secrets, where there are any."""
        listed = ", ".join(self.secrets)
        return [f"# The environment must bring {listed}: no secret is written here."] if listed else []


def start_from(project: Path, params: Path, environment: Mapping[str, str]) -> Start:
    """How schedules are started in the surroundings of now.

    Args:
        project: The project's folder.
        params: The file of settings.
        environment: All variables; those that a run reads are carried, or named where they are secret.
    """
    found = {name: environment[name] for name in sorted(environment) if _CARRIED.fullmatch(name) and environment[name]}
    secrets = tuple(name for name, value in found.items() if is_secret(name, value) or "\n" in value)
    variables = {name: from_root(value) if name == _STORE else value for name, value in found.items() if name not in secrets}
    inside = params.absolute().is_relative_to(project)
    return Start(project, params.absolute().relative_to(project) if inside else params.absolute(), variables, secrets)


def cron_lines(schedules: list[Schedule], start: Start, here: ZoneInfo, now: datetime) -> list[str]:
    """Lines for a crontab, in the time zone of this machine: Debian's cron knows no other.

    Args:
        schedules: What is to be started.
        start: How.
        here: This machine's time zone.
        now: Decides how far apart the clocks are.

    Raises:
        InputError: Times can't be written in this machine's zone.
    """
    lines = [f"# Darkroom in {start.project}; times are {here.key}, the time zone of this machine.", *start.needs()]
    variables = shlex.join(f"{name}={value}" for name, value in start.variables.items())
    for schedule in schedules:
        local = cron.in_zone(schedule.times, schedule.zone, here, now)
        lines.append(f"# {schedule.name}: {schedule.config.cron} in {schedule.zone.key}" + _warning(schedule, here, now))
        command = f"env {variables} {start.command(schedule)}" if variables else start.command(schedule)
        log = f"runs/schedules/{schedule.name}.log"
        line = f"cd {shlex.quote(str(start.project))} && mkdir -p runs/schedules && {command} >> {log} 2>&1"
        lines.append(f"{local.fields()} {line}".replace("%", r"\%"))
    return lines


def systemd_units(schedules: list[Schedule], start: Start) -> dict[str, str]:
    """Units for `~/.config/systemd/user/` by file name: a service and a timer a schedule; systemd takes the time zone into account."""
    units = {}
    for schedule in schedules:
        name = f"darkroom-{schedule.name}"
        calendar = "\n".join(f"OnCalendar={line}" for line in schedule.times.systemd(schedule.zone))
        folder, command = str(start.project).replace("%", "%%"), start.command(schedule).replace("%", "%%")
        needs = [*start.needs(), "# EnvironmentFile=a file with them, a NAME=value a line"] if start.secrets else []
        environment = "".join(f"{line}\n" for line in (*needs, *map(_systemd_variable, start.variables.items())))
        units[f"{name}.service"] = (
            f"[Unit]\nDescription=Darkroom: {schedule.name}\n\n[Service]\nType=oneshot\nWorkingDirectory={folder}\n"
            f"{environment}ExecStart={command}\n"
        )
        units[f"{name}.timer"] = (
            f"[Unit]\nDescription=When Darkroom starts {schedule.name}\n\n[Timer]\n{calendar}\nPersistent=false\n\n"
            "[Install]\nWantedBy=timers.target\n"
        )
    return units


def _systemd_variable(variable: tuple[str, str]) -> str:
    text = "=".join(variable).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'Environment="{text}"'


def _warning(schedule: Schedule, here: ZoneInfo, now: datetime) -> str:
    if cron.keeps_offset(schedule.zone, here, now):
        return ""
    return f", with the offset of {now.astimezone(UTC):%Y-%m-%d}: export again when they change, or use systemd"
