"""Planning a retraining: the key that names it, the reasons for it, and whether it is to be done.

A retraining whose key is that of a finished run is done; one whose key is that of a run in progress is left to that run.
Otherwise it is done if there is a reason, each of which has a name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from components import STEPS
from darkroom.registry.registry import CHAMPION, Version, alias_of, champion_or_newest
from darkroom.system.config import StepConfig
from darkroom.system.processes import is_dead, owner_tags
from darkroom.tracking.leases import Lease, leases
from darkroom.tracking.log import run_facts
from darkroom.tracking.tags import DATA_VERSION, HOST, MODEL_VERSION, RETRAIN_REASONS, RETRAIN_START, RETRAIN_WINDOW, WORK_KEY
from darkroom.versions.code import code_version
from pipelines.plan import key_of
from pipelines.retrain.changes import changed_code, changed_settings, data_changes

if TYPE_CHECKING:
    from pipelines.plan import Plan

WARM_SETTINGS = ("train.model", "train.weights", "train.weights_version", "train.side_px")  # what a start from the champion sets by itself

ReasonName = Literal["no_champion", "new_data", "changed_parameters", "changed_code", "champion_age", "new_window", "unfinished", "forced"]
Window = Literal["", "day", "week", "month"]


class RetrainConfig(StepConfig):
    """When there is reason to train again (`darkroom retrain`), and where training starts."""

    start: Literal["scratch", "champion"] = Field(
        "scratch", description="Where the weights start: scratch, or champion (where architecture, size and classes fit)."
    )
    max_age_days: float = Field(0.0, ge=0, le=36_500, description="Age of the champion, in days, that is reason enough; 0: none is.")
    window: Window = Field(
        "", description="day, week or month: train once in each, even if nothing changed; empty: only if there is another reason."
    )


@dataclass(frozen=True)
class Reason:
    """Why to train again: a name for programs, a sentence for people."""

    name: ReasonName
    detail: str

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})"


@dataclass(frozen=True)
class Decision:
    """What a retraining is to do.

    Attributes:
        action: `train`; `nothing`; or `wait`, where another run does the same.
        key: Name of the retraining.
        reasons: Why to train; empty unless `action` is `train`.
        message: One sentence.
        run: The finished run, the one under way, or the unfinished one that is resumed: `run_id`, `host`, `pid`, `since`.
    """

    action: Literal["train", "nothing", "wait"]
    key: str
    message: str
    reasons: tuple[Reason, ...] = ()
    run: dict[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        reasons = [{"name": reason.name, "detail": reason.detail} for reason in self.reasons]
        return {"action": self.action, "key": self.key, "reasons": reasons, "message": self.message, "run": self.run}


def window_of(window: Window, now: datetime) -> str:
    """The day, week or month that a moment is in, such as `2026-11-24`, `2026-W48`, `2026-11`."""
    forms = {"": "", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
    return now.astimezone(UTC).strftime(forms[window])


def decide(plan: "Plan", config: RetrainConfig, *, force: bool = False, now: datetime | None = None) -> Decision:
    """Decides what a retraining is to do.

    Args:
        plan: Data, settings and the model's name.
        config: When there is reason to train.
        force: Whether to train though nothing changed.
        now: The time; this moment where none is given.

    Raises:
        InputError: The data can't be read.
    """
    now = now or datetime.now(UTC)
    best, window = champion_or_newest(plan.name), window_of(config.window, now)
    facts = _Facts(plan, best)
    aged = facts.too_old(config.max_age_days, now)
    key = key_of(plan, config.start, window, str(best.number) if best and aged else "")
    known = leases(plan.name, key)
    if busy := [lease for lease in known if lease.is_active]:
        return waiting(key, busy[0].who())
    finished = [lease for lease in known if lease.status == "FINISHED"]
    if finished and not force:
        return _nothing(key, finished[-1])
    reasons = list(facts.reasons())
    if best and not (reasons or aged or force) and facts.is_unfinished(window):
        why = Reason("unfinished", f"run {best.run_id[:8]} was ended after its version {best.number} became {alias_of(best)}")
        return Decision("train", key, f"resuming, because of {why}", (why,), {"run_id": best.run_id})
    reasons += [Reason("champion_age", aged)] if aged else []
    reasons += [Reason("new_window", f"the first one in {window}")] if window and not finished else []
    reasons += [Reason("forced", "asked for by hand")] if force else []
    if not reasons:
        return Decision("nothing", key, f"nothing to do: data, settings and code are those of {_called(best)}")
    return Decision("train", key, f"training, because of {', '.join(map(str, reasons))}", tuple(reasons))


def waiting(key: str, who: dict[str, str]) -> Decision:
    """The decision where another process does the same."""
    run = f"run {who['run_id'][:8]}" if who.get("run_id") else "another command"
    return Decision("wait", key, f"left alone: {run} does the same, on {who['host']}, process {who['pid']}, since {who['since']}", run=who)


def _nothing(key: str, finished: Lease) -> Decision:
    model = finished.tags.get(MODEL_VERSION)
    became = f" and became version {model}" if model else ""
    same = f"run {finished.run_id[:8]} with the same data, settings and code has finished{became}"
    return Decision("nothing", key, f"nothing to do: {same}", run=finished.who())


def _called(best: Version | None) -> str:
    """What a version is for a person, such as `the champion, version 3`."""
    if best is None:
        return "no version"
    return f"the {'champion' if alias_of(best) == CHAMPION else 'newest version (there is no champion)'}, version {best.number}"


class _Facts:
    """What the champion, or without one the newest version, was made from, beside what a new model would be made from."""

    def __init__(self, plan: "Plan", best: Version | None) -> None:
        self.plan, self.best = plan, best
        self.run = run_facts(best.run_id) if best else None

    def too_old(self, max_age_days: float, now: datetime) -> str:
        """How old that version is, where that is too old; else empty."""
        if self.best is None or self.run is None or not max_age_days:
            return ""
        days = (now.timestamp() - self.run.started) / 86_400
        return f"version {self.best.number} is {days:.1f} days old, allowed are {max_age_days:g}" if days > max_age_days else ""

    def is_unfinished(self, window: str) -> bool:
        """Whether that version's run was killed or failed after the alias had moved, and can be resumed from here."""
        if self.run is None or self.run.tags.get(HOST) != owner_tags()[HOST] or self.run.tags.get(RETRAIN_WINDOW, "") != window:
            return False
        return self.run.status in ("FAILED", "KILLED") or (self.run.status == "RUNNING" and is_dead(self.run.tags))

    def reasons(self) -> Iterator[Reason]:
        """Reasons in the data, the settings and the code."""
        if self.best is None:
            yield Reason("no_champion", f"{self.plan.name!r} has no version yet")
            return
        if self.best.tags.get(DATA_VERSION) != self.plan.version:
            changes = data_changes(Path(self.plan.source), self.plan.params["ingest"], self.best)
            yield Reason("new_data", str(changes or "what changed can't be counted from here"))
        if self.run is None:
            yield Reason("changed_code", f"the run that made version {self.best.number} was deleted")
            return
        ignored = WARM_SETTINGS if self.run.tags.get(RETRAIN_START) == "champion" else ()
        changed = changed_settings({name: text for name, text in self.run.params.items() if name not in ignored}, self.plan.params)
        if changed:
            yield Reason("changed_parameters", _some(changed))
        steps = changed_code(self.run.tags, {step: code_version(step) for step in STEPS})
        if steps:
            yield Reason("changed_code", ", ".join(steps))


def tags_of(decision: Decision, config: RetrainConfig, now: datetime) -> dict[str, str]:
    """Tags of the run that a decision leads to."""
    names = ", ".join(reason.name for reason in decision.reasons)
    tags = {
        WORK_KEY: decision.key,
        RETRAIN_REASONS: names,
        **{f"{RETRAIN_REASONS}.{reason.name}": reason.detail[:5000] for reason in decision.reasons},
    }
    window = window_of(config.window, now)
    return tags | ({RETRAIN_WINDOW: window} if window else {})


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
