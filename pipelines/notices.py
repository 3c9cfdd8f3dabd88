"""What a person is told before a run starts: which runs were killed, and that a clock goes wrong."""

from collections.abc import Callable
from datetime import UTC, datetime

from components import history, tracking

Tell = Callable[[str], None]


def end_dead(tell: Tell) -> None:
    """Ends what a killed process left in MLflow as running, and says how to go on with it."""
    for dead in tracking.end_dead_runs():
        begun = bool(history.get(dead).data_version)  # what a run is told last before its first step
        way = f"`darkroom resume {dead[:8]}` goes on with it" if begun else "it had not begun, so there is nothing to go on with"
        tell(f"note: run {dead[:8]} was killed; {way}")


def check_clock(tell: Tell) -> None:
    """Says that a run lies in the future: runs are told apart by their ids, but which is the last is not what a person thinks."""
    if late := history.ahead(datetime.now(UTC)):
        began = f"run {late.run_id[:8]} began on {late.started:%Y-%m-%d at %H:%M} UTC, which is yet to come"
        tell(f"note: {began}: look whether this machine's clock is right; until then `last` means that run")
