"""Runs side by side: which ones, in what order, and in which of their values they differ."""

import difflib
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from darkroom.system.errors import InputError
from darkroom.tracking.tags import DECISION, NOTE, SEARCH
from pipelines import history
from pipelines.history import Record

FACTS: dict[str, Callable[[Record], Any]] = {
    "run": lambda run: run.run_id[:8],
    "name": lambda run: run.name,
    "experiment": lambda run: run.experiment,
    "status": lambda run: run.status,
    "started": lambda run: run.started.astimezone().strftime("%Y-%m-%d %H:%M"),
    "minutes": lambda run: None if run.seconds is None else round(run.seconds / 60, 1),
    "data": lambda run: run.data_version[:8],
    "model": lambda run: run.model,
    "decision": lambda run: run.tags.get(DECISION, ""),
}
MEASURES = ("accuracy", "f1_macro", "pruned_f1_macro", "latency_ratio")  # that a person looks for first
STATUSES = ("running", "finished", "failed", "killed")
_LOWER_IS_BETTER = re.compile(r"loss|error|latency|size|dropped|minutes")
_CONDITION = re.compile(r"\s*([\w.@:-]+)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
_AGE = re.compile(r"(\d+)([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


@dataclass(frozen=True)
class Choice:
    """Which runs are shown.

    Attributes:
        experiment: Of one experiment, or of all.
        status: In one state, or in any.
        data: On data whose version begins so, or on any.
        since: A date such as 2026-11-01, or an age such as 12h, 7d or 2w; or ever.
        where: Conditions such as `train.epochs>3`, of which all must hold.
        best: A measure by which the runs are ordered, best first; newest first where none is given.
        limit: How many at most.
    """

    experiment: str = ""
    status: str = ""
    data: str = ""
    since: str = ""
    where: tuple[str, ...] = ()
    best: str = ""
    limit: int = 20


def choose(choice: Choice) -> list[Record]:
    """The runs that are asked for, in order.

    Raises:
        InputError: A condition, state, age or name that can't be understood.
    """
    if choice.status and choice.status not in STATUSES:
        raise InputError(f"--status is {choice.status!r}: give one of {', '.join(STATUSES)}")
    known = [run for run in history.runs(choice.experiment) if SEARCH not in run.tags]  # a search ends with no model
    conditions = [_condition(text, known) for text in choice.where]
    found = [run for run in known if all(is_met(run) for is_met in conditions)]
    if choice.status:
        found = [run for run in found if run.status == choice.status]
    if choice.data:
        found = [run for run in found if run.data_version.startswith(choice.data)]
    if choice.since:
        earliest = _earliest(choice.since)
        found = [run for run in found if run.started >= earliest]
    if choice.best:
        _check_column(choice.best, known)
        found = [run for run in found if isinstance(value(run, choice.best), int | float)]
        sign = 1 if _LOWER_IS_BETTER.search(choice.best) else -1
        found.sort(key=lambda run: sign * value(run, choice.best))
    return found[: choice.limit]


def columns(runs: Sequence[Record], asked: Sequence[str], best: str = "") -> list[str]:
    """The columns to show: those that are asked for after the run's id, or else those in which these runs differ.

    Raises:
        InputError: No run has such a value.
    """
    if asked:
        for name in asked:
            _check_column(name, runs)
        return list(dict.fromkeys(["run", *asked]))
    facts = ["run", "started", *(name for name in ("experiment", "status", "data") if _differs(runs, name)), "model"]
    measures = [name for name in dict.fromkeys((*([best] if best else []), *MEASURES)) if any(name in run.metrics for run in runs)]
    settings = sorted({name for run in runs for name in run.params if _differs(runs, name)})
    return [*facts, *measures, *settings]


def value(run: Record, column: str) -> Any:
    """A run's value in a column: a fact, a measure, a setting or a tag; None where it has none."""
    if column in FACTS:
        return FACTS[column](run)
    for values in (run.metrics, run.params, run.tags):
        if column in values:
            return values[column]
    return None


def text(run: Record, column: str) -> str:
    """A run's value as it is shown."""
    found = value(run, column)
    return "" if found is None else f"{found:.4f}" if isinstance(found, float) and column != "minutes" else str(found)


def as_json(run: Record) -> dict[str, Any]:
    """All that is known of a run, in plain values."""
    return {
        "run_id": run.run_id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": run.seconds,
        "data_version": run.data_version,
        "source": run.source,
        "model": run.model,
        "params": dict(run.params),
        "metrics": dict(run.metrics),
        "tags": {name: text for name, text in run.tags.items() if name != NOTE},
    }


def _differs(runs: Sequence[Record], column: str) -> bool:
    return len({str(value(run, column)) for run in runs}) > 1


def _condition(text: str, known: Sequence[Record]) -> Callable[[Record], bool]:
    match = _CONDITION.fullmatch(text)
    if not match:
        raise InputError(f"--where {text!r} has not the form NAME=VALUE (or !=, <, >, <=, >=), such as train.epochs>3")
    name, sign, wanted = match.groups()
    _check_column(name, known)
    compare = _OPERATORS[sign]

    def is_met(run: Record) -> bool:
        """Compares as numbers where both are, else as texts without regard to case; a run without the value does not meet it."""
        found = value(run, name)
        if found is None:
            return False
        number, limit = _number(found), _number(wanted)
        if number is not None and limit is not None:
            return compare(number, limit)
        if sign in ("=", "!="):
            return compare(str(found).lower(), wanted.lower())
        return False  # such as `auto`, which is neither larger nor smaller than a number

    return is_met


def _check_column(name: str, runs: Sequence[Record]) -> None:
    known = {*FACTS, *(name for run in runs for values in (run.metrics, run.params, run.tags) for name in values)}
    if runs and name not in known:
        near = difflib.get_close_matches(name, sorted(known), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"give one of {', '.join(FACTS)}, a measure, or a setting as step.name"
        raise InputError(f"no run has a value {name!r}: {hint}")


def _earliest(since: str) -> datetime:
    if match := _AGE.fullmatch(since):
        return datetime.now(UTC) - timedelta(hours=int(match[1]) * _HOURS[match[2]])
    try:
        return datetime.fromisoformat(since).astimezone(UTC)
    except ValueError:
        raise InputError(f"--since is {since!r}: give a date such as 2026-11-01, or an age such as 12h, 7d or 2w") from None


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
