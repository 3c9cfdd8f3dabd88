"""What a person is told when a command opens the store: which runs were killed, and that a clock goes wrong."""

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

Tell = Callable[[str], None]


def open_store(tell: Tell) -> None:
    """Opens the store, delivers what waited for it, and ends what a killed process left there as running.

    Raises:
        InputError: The store can't be used.
    """
    runs.use_store()
    for note in outbox.deliver_left(OUTBOX).notes():
        tell(f"note: {note}")
    end_dead(tell)


def end_dead(tell: Tell) -> None:
    """Ends what a killed process left in MLflow as running: leaves its bundle, tells the webhook, and says how to go on with it."""
    problem = ""
    with locked(ROOT / "locks" / "dead") if ROOT.is_dir() else nullcontext():  # else two tell the webhook
        for record in map(history.get, runs.end_dead_runs()):
            if not record.data_version:  # what a run is told last before its first step
                tell(f"note: run {record.run_id[:8]} was killed; it had not begun, so there is nothing to go on with")
                continue
            message = _bury(record, tell)
            problem = problem or notify(message)  # a webhook that is dead is not asked again
    if problem:
        tell(f"note: {problem}")


def _bury(record: Record, tell: Tell) -> Message:
    """Leaves a killed run's bundle; gives what the webhook is told."""
    short, error = record.run_id[:8], KilledError(step_of_death(record))
    way = f"`darkroom resume {short}` goes on with it"
    tell(f"note: run {short} was killed{f' in {error.step}' if error.step else ''}; {way}")
    try:
        bury(record, error)
    except Exception as second:  # such as a full disk
        tell(f"note: what tells why could not be kept: {explain(second) or redact(str(second))[:300]}")
    links = {"run": run_page(record.run_id) or f"darkroom logs {short}"}
    facts = {"run_id": record.run_id, "error": type(error).__name__}
    return Message("failure", f"{record.experiment}: the run failed", f"{error}; {way}", links, facts)


def check_clock(tell: Tell) -> None:
    """Says that a run lies in the future: runs are told apart by their ids, but which is the last is not what a person thinks."""
    if late := history.ahead(datetime.now(UTC)):
        began = f"run {late.run_id[:8]} began on {late.started:%Y-%m-%d at %H:%M} UTC, which is yet to come"
        tell(f"note: {began}: look whether this machine's clock is right; until then `last` means that run")


def bury(record: Record, error: KilledError) -> None:
    """Leaves the bundle of a run that was killed and could not do so itself, where its folder is in this checkout.

    Args:
        record: The run; what its steps left for MLflow is delivered.
        error: Where it was killed.
    """
    folder = ROOT / record.run_id
    if folder.is_dir():
        facts = {"run_id": record.run_id, "experiment": record.experiment, "data_version": record.data_version, "source": record.source}
        send_bundle(outbox.at(OUTBOX), record.run_id, write_bundle(folder, facts, history.settings(record), error))


def step_of_death(record: Record) -> str:
    """The step in which a run was killed; empty where it was between two, or where its logs are not in this checkout."""
    newest = max((ROOT / record.run_id).glob("logs/*.log"), key=lambda path: path.stat().st_mtime_ns, default=Path())
    tries = [child for child in history.attempts(record) if child.tags.get(STEP) == newest.stem]
    return "" if tries and tries[-1].status == "finished" else newest.stem
