"""What a person is told before a run starts: which runs were killed, and that a clock goes wrong."""

from collections.abc import Callable
from datetime import UTC, datetime

from components import history, tracking
from components.faults import explain
from components.notifying import Message, notify
from components.secrets import redact
from components.store import run_page
from pipelines.concluding import KilledError, bury, step_of_death

Tell = Callable[[str], None]


def end_dead(tell: Tell) -> None:
    """Ends what a killed process left in MLflow as running: leaves its bundle, tells the webhook, and says how to go on with it."""
    for record in map(history.get, tracking.end_dead_runs()):
        short = record.run_id[:8]
        if not record.data_version:  # what a run is told last before its first step
            tell(f"note: run {short} was killed; it had not begun, so there is nothing to go on with")
            continue
        error, way = KilledError(step_of_death(record)), f"`darkroom resume {short}` goes on with it"
        tell(f"note: run {short} was killed{f' in {error.step}' if error.step else ''}; {way}")
        try:
            bury(record, error)
        except Exception as second:  # such as a full disk
            tell(f"note: what tells why could not be kept: {explain(second) or redact(str(second))[:300]}")
        links = {"run": run_page(record.run_id) or f"darkroom logs {short}"}
        facts = {"run_id": record.run_id, "error": type(error).__name__}
        if problem := notify(Message("failure", f"{record.experiment}: the run failed", f"{error}; {way}", links, facts)):
            tell(f"note: {problem}")


def check_clock(tell: Tell) -> None:
    """Says that a run lies in the future: runs are told apart by their ids, but which is the last is not what a person thinks."""
    if late := history.ahead(datetime.now(UTC)):
        began = f"run {late.run_id[:8]} began on {late.started:%Y-%m-%d at %H:%M} UTC, which is yet to come"
        tell(f"note: {began}: look whether this machine's clock is right; until then `last` means that run")
