"""Commands about schedules."""

import json
import os
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from darkroom.system.errors import InputError
from pipelines.options import DEFAULT_PARAMS, Json, Params
from pipelines.table import print_table

Name = Annotated[str, typer.Argument(help="The schedule's name in params.yaml.")]
Format = Annotated[str, typer.Option("--format", help="cron or systemd.")]


def apply(as_json: Json = False, params: Params = DEFAULT_PARAMS) -> None:
    """Hands the schedules over to Kubeflow: makes, replaces and removes until they are as in params.yaml; exit status 1 if one must wait.

    Example: `darkroom schedule apply`
    """
    from pipelines.params import read_settings
    from pipelines.schedule.desired_runs import desired_runs, recurring_runs
    from pipelines.schedule.schedules import read_schedules

    schedules = read_schedules(params)
    with tempfile.TemporaryDirectory() as place, recurring_runs(read_settings([], params)[1]) as runs:
        changes = runs.apply(desired_runs(schedules, params, Path(place)), datetime.now(UTC))
    for change in changes:
        print(f"{change.name}: {change.action}{f' ({change.note})' if change.note else ''}", file=sys.stderr)
    if as_json:
        print(json.dumps([asdict(change) for change in changes], ensure_ascii=False))
    if any(change.action == "waiting" for change in changes):
        raise typer.Exit(1)


def list_(as_json: Json = False, params: Params = DEFAULT_PARAMS) -> None:
    """Shows the schedules, their next and last runs; exit status 1 if one has failed three times in a row.

    Example: `darkroom schedule list`
    """
    from pipelines.schedule.status import overview

    rows = overview(params, datetime.now(UTC))
    _tabulate(rows)
    failing = [row["name"] for row in rows if row["failing"]]
    for name in failing:
        print(f"WARNING: schedule {name} has failed three times in a row: look into it", file=sys.stderr)
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    if failing:
        raise typer.Exit(1)


def pause(name: Name, params: Params = DEFAULT_PARAMS) -> None:
    """Lets a schedule do nothing until it is resumed: on Kubeflow where platform.endpoint is set, else on this machine.

    Example: `darkroom schedule pause nightly`
    """
    _act(name, params, "pause")


def resume(name: Name, params: Params = DEFAULT_PARAMS) -> None:
    """Lets a paused schedule run again; what was missed is not made up for.

    Example: `darkroom schedule resume nightly`
    """
    _act(name, params, "resume")


def remove(name: Name, params: Params = DEFAULT_PARAMS) -> None:
    """Takes a schedule off Kubeflow, or where platform.endpoint is empty forgets what is known of its runs on this machine.

    Example: `darkroom schedule remove nightly`
    """
    _act(name, params, "remove")


def run(name: Name, as_json: Json = False, params: Params = DEFAULT_PARAMS) -> None:
    """Does what a schedule says, now; cron and systemd start this.

    Example: `darkroom schedule run nightly`
    """
    from pipelines.progress import Progress
    from pipelines.schedule.scheduled_run import run_schedule
    from pipelines.schedule.schedules import find_schedule

    result = run_schedule(find_schedule(params, name), params, Progress())
    if as_json:
        print(json.dumps(result, ensure_ascii=False))


def start(params: Params = DEFAULT_PARAMS) -> None:
    """Runs the schedules on this machine, in the foreground, one at a time; what was missed is not made up for.

    Example: `darkroom schedule start`
    """
    from pipelines.schedule.clock import run_forever
    from pipelines.schedule.schedules import read_schedules

    schedules = read_schedules(params)
    if not schedules:
        raise InputError(f"{params} has no schedules: see the comment beside `schedules:`")
    for schedule in schedules:
        print(f"{schedule.name}: next {schedule.next_time(datetime.now(UTC)):%Y-%m-%d %H:%M %Z}", file=sys.stderr)
    print("Ctrl-C ends it", file=sys.stderr, flush=True)
    run_forever(schedules, params)


def export_(form: Format = "cron", params: Params = DEFAULT_PARAMS) -> None:
    """Prints ready lines for crontab, or units for systemd.

    Example: `darkroom schedule export --format systemd`
    """
    from pipelines.project import find_project
    from pipelines.schedule import cron, exported
    from pipelines.schedule.schedules import read_schedules

    known = read_schedules(params)
    start = exported.start_from(find_project(params.absolute().parent, code=None), params, os.environ)
    if form == "cron":
        from tzlocal import get_localzone_name

        print("\n".join(exported.cron_lines(known, start, cron.read_zone(get_localzone_name()), datetime.now(UTC))))
    elif form == "systemd":
        for name, text in exported.systemd_units(known, start).items():
            print(f"# ~/.config/systemd/user/{name}\n{text}")
    else:
        raise InputError(f"--format is {form!r}: give cron or systemd")


def _act(name: str, params: Path, verb: str) -> None:
    from pipelines.params import read_settings
    from pipelines.schedule import journal
    from pipelines.schedule.scheduled_run import JOURNALS

    platform = read_settings([], params)[1]
    done = {"pause": "paused", "resume": "resumed", "remove": "removed"}[verb]
    if platform.endpoint:
        from pipelines.schedule.desired_runs import recurring_runs

        with recurring_runs(platform) as runs:
            getattr(runs, verb)(name)
        print(f"{name}: {done} on Kubeflow", file=sys.stderr)
        return
    from pipelines.schedule.schedules import find_schedule

    if verb == "remove":
        if not journal.delete(JOURNALS, name):
            raise InputError(
                f"nothing is known of a schedule {name!r} on this machine; what starts it is in params.yaml, crontab or systemd"
            )
    else:
        find_schedule(params, name)
        {"pause": journal.pause, "resume": journal.resume}[verb](JOURNALS, name)
    print(f"{name}: {done} on this machine", file=sys.stderr)


def _tabulate(rows: list[dict[str, Any]]) -> None:
    names = ("name", "state", "next", "where", "cron", "time_zone", "last")
    cells = [[", ".join(row[name]) if isinstance(row[name], list) else str(row[name]) for name in names] for row in rows]
    print_table([name.replace("_", " ") for name in names], cells, Console(stderr=True, highlight=False))
