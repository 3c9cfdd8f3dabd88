"""One run of a schedule: retrains or trains, records how that ended, and notifies where it keeps failing."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from darkroom.runtime.notify import Message
from pipelines.messages import failure_notified, outcome_message, send
from pipelines.params import refuse_own_successors
from pipelines.paths import ROOT
from pipelines.plan import make_plan
from pipelines.retrain import retrain
from pipelines.run import run
from pipelines.schedule import journal
from pipelines.schedule.journal import FAILURES, Ending
from pipelines.schedule.schedules import Schedule
from pipelines.view import Listener

JOURNALS = ROOT / "schedules"


def run_schedule(schedule: Schedule, params: Path, view: Listener) -> dict[str, Any]:
    """Does what a schedule says, now.

    Args:
        schedule: The schedule; a paused one does nothing.
        params: The file of settings.
        view: Shows what happens.

    Returns:
        What `darkroom retrain --json` gives, or for a schedule that always trains what `darkroom run --json` gives.

    Raises:
        InputError: The data or a setting is wrong.
        StepFailedError: A step failed.
    """
    if since := journal.paused_since(JOURNALS, schedule.name):
        view.note(f"schedule {schedule.name} is paused since {since}: `darkroom schedule resume {schedule.name}` lets it run")
        return {"action": "paused", "since": since}
    started = datetime.now(UTC)
    try:
        result = _run(schedule, params, view)
    except BaseException as error:
        if isinstance(error, Exception):
            journal.record(JOURNALS, schedule.name, started, "failed", str(error) or type(error).__name__)
            _notify_if_failing(schedule, view)
        raise
    endings: dict[str, Ending] = {"train": "trained", "nothing": "nothing", "wait": "waited"}
    how = endings[result.get("action", "train")]
    journal.record(JOURNALS, schedule.name, started, how, str(result.get("message") or result.get("reason", "")))
    return result


def _run(schedule: Schedule, params: Path, view: Listener) -> dict[str, Any]:
    config, overrides = schedule.config, schedule.overrides
    plan = make_plan(Path(config.data), overrides, params)
    if config.run == "retrain":
        refuse_own_successors(overrides, params, plan.name)
        return retrain.retrain(plan, retrain.read_retrain(overrides, params, config.window), view)
    with failure_notified(plan.name, view):
        outcome = run.run(plan, view)
    send(outcome_message(outcome), view)
    return outcome


def _notify_if_failing(schedule: Schedule, view: Listener) -> None:
    known = journal.entries(JOURNALS, schedule.name)
    if not journal.is_failing([entry.ending for entry in known]):
        return
    what = f"schedule {schedule.name} has failed {FAILURES} times in a row"
    view.note(f"WARNING: {what}, last: {known[-1].message}")
    send(Message("schedule_failing", what, known[-1].message, facts={"schedule": schedule.name}), view)
