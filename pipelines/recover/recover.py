"""Recovery when a command opens the store: runs that were killed are ended and reported, and a clock that is wrong is noticed."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from darkroom.runtime.notify import Message, notify
from darkroom.system.faults import explain
from darkroom.system.locks import locked
from darkroom.system.secrets import redact
from darkroom.tracking import outbox, runs
from darkroom.tracking.pages import run_page
from darkroom.tracking.tags import STEP
from pipelines import history
from pipelines.history import Record
from pipelines.paths import OUTBOX, ROOT
from pipelines.recover.bundle import KilledError, send_bundle, write_bundle
from pipelines.run.temporary import remove_temporary

Notify = Callable[[str], None]  # takes a message for a person


def open_store(note: Notify, *, create: bool = False) -> None:
    """Opens the store, delivers what waited for it, and ends what a killed process left there as running.

    Args:
        note: Takes messages for a person.
        create: Whether an SQLite file is made where there is none.

    Raises:
        InputError: The store can't be used.
    """
    runs.use_store(create=create)
    for text in outbox.deliver_left(OUTBOX).notes():
        note(f"note: {text}")
    end_dead(note)


def end_dead(note: Notify) -> None:
    """Ends what a killed process left in MLflow as running: keeps its bundle, notifies the webhook, and says how to resume it."""
    problem = ""
    with locked(ROOT / "locks" / "dead") if ROOT.is_dir() else nullcontext():  # else two processes notify the webhook
        for record in map(history.get, runs.end_dead_runs()):
            remove_temporary(record.run_id)
            if not record.data_version:  # the last that is logged before the first step
                note(f"note: run {record.run_id[:8]} was killed before its first step, so there is nothing to resume")
                continue
            message = _report_killed(record, note)
            problem = problem or notify(message)  # a webhook that does not answer is not asked again
    if problem:
        note(f"note: {problem}")


def _report_killed(record: Record, note: Notify) -> Message:
    """Keeps a killed run's bundle; returns the message for the webhook."""
    short, error = record.run_id[:8], KilledError(step_when_killed(record))
    way = f"`darkroom resume {short}` continues it"
    note(f"note: run {short} was killed{f' in {error.step}' if error.step else ''}; {way}")
    try:
        keep_bundle(record, error)
    except Exception as second:  # such as a full disk
        note(f"note: the bundle of the failure could not be written: {explain(second) or redact(str(second))[:300]}")
    links = {"run": run_page(record.run_id) or f"darkroom logs {short}"}
    facts = {"run_id": record.run_id, "error": type(error).__name__}
    return Message("failure", f"{record.experiment}: the run failed", f"{error}; {way}", links, facts)


def check_clock(note: Notify) -> None:
    """Says that a run started in the future, according to this machine's clock: `last` then means that run."""
    if late := history.ahead(datetime.now(UTC)):
        began = f"run {late.run_id[:8]} began on {late.started:%Y-%m-%d at %H:%M} UTC, which is yet to come"
        note(f"note: {began}: look whether this machine's clock is right; until then `last` means that run")


def keep_bundle(record: Record, error: KilledError) -> None:
    """Keeps the bundle of a run that was killed, where its folder is in this checkout.

    Args:
        record: The run.
        error: Where it was killed.
    """
    folder = ROOT / record.run_id
    if folder.is_dir():
        facts = {"run_id": record.run_id, "experiment": record.experiment, "data_version": record.data_version, "source": record.source}
        send_bundle(outbox.current(OUTBOX), record.run_id, write_bundle(folder, facts, history.settings(record), error))


def step_when_killed(record: Record) -> str:
    """The step in which a run was killed; empty where it was between two, or where its logs are not in this checkout."""
    newest = max((ROOT / record.run_id).glob("logs/*.log"), key=lambda path: path.stat().st_mtime_ns, default=Path())
    tries = [child for child in history.attempts(record) if child.tags.get(STEP) == newest.stem]
    return "" if tries and tries[-1].status == "finished" else newest.stem
