"""The run of one step: a child of the pipeline's run, or the one that Kubeflow's plug-in has made."""

import math
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from darkroom.system.errors import kind_of
from darkroom.system.secrets import redact
from darkroom.tracking import outbox
from darkroom.tracking.client import client, store_errors_as_input_errors
from darkroom.tracking.context import Context, find_context, is_first_rank
from darkroom.tracking.delivery import now_ms
from darkroom.tracking.log import as_text, as_texts, error_tags, set_run_tags
from darkroom.tracking.runs import Status
from darkroom.tracking.system_load import system_load
from darkroom.tracking.tags import CACHED, ERROR, ERROR_KIND, PARENT, PIPELINE, SOURCE_NAME, STEP, TRIAL, TRIAL_REASON, TRIAL_STATE
from darkroom.tuned import Curve, Trial

LOADED = ("train",)  # the steps in whose runs the system's load stands


class StepRun(Protocol):
    """A step's child run; without MLflow it takes everything and does nothing."""

    @property
    def run_id(self) -> str:
        """Its id; empty while MLflow does not know it yet."""

    def epoch(self, epoch: int, measures: Mapping[str, float]) -> None:
        """Logs an epoch's measures, with the epoch as the step of the curve."""

    def trial(self, trial: Trial, curve: Curve) -> None:
        """Logs a trial that has ended as a child run of its own, with a row of measures an epoch."""

    def measures(self, measures: Mapping[str, float]) -> None:
        """Logs what the step measured; what has a curve over the epochs too, as `best_<name>` of the kept epoch."""

    def keep(self, name: str, path: Path) -> None:
        """Keeps a file with the pipeline's run, under a name."""


@contextmanager
def step_run(step: str, config: Mapping[str, Any]) -> Iterator[StepRun]:
    """The run in which a step logs, see `darkroom.tracking.context`; where no run is open, nothing is logged.

    Of the processes of a distributed training only the first logs.

    Args:
        step: The task's name, such as `train` or `evaluate_pruned`.
        config: The step's settings.

    Yields:
        What takes the step's measures. A child run of ours ends with the block: finished, or failed with the error as a tag.

    Raises:
        InputError: The store can't be reached, or refuses the credentials.
    """
    with store_errors_as_input_errors():
        context = find_context() if is_first_rank() else None
        child = _begin(context, step, config) if context else None
    if child is None:
        yield _NoRun()
        return
    try:
        with system_load(child.load) if step in LOADED else nullcontext():
            yield child
    except BaseException as error:
        child.fail(error)
        raise
    child.end("FINISHED")


@contextmanager
def no_run() -> Iterator[StepRun]:
    """Takes all that a step logs, and logs nothing."""
    yield _NoRun()


def log_cached_step(parent_run_id: str, step: str, config: Mapping[str, Any], measures: Mapping[str, float]) -> None:
    """Logs a step whose outputs came from the cache, with what it measured when it ran."""
    child = _ChildRun(Context(parent_run_id), step, config, {CACHED: "true"})
    child.measures(measures)
    child.end("FINISHED")


class _NoRun:
    run_id = ""

    def epoch(self, epoch: int, measures: Mapping[str, float]) -> None:
        pass

    def trial(self, trial: Trial, curve: Curve) -> None:
        pass

    def measures(self, measures: Mapping[str, float]) -> None:
        pass

    def keep(self, name: str, path: Path) -> None:
        pass


def _begin(context: Context, step: str, config: Mapping[str, Any]) -> "_ChildRun":
    """The step's run: the one that the plug-in made, or a child; the settings carry the step, so they can't clash with its own."""
    if context.own:
        set_run_tags(context.own, {STEP: step})
    elif context.pipeline:
        _reopen(context.parent)
    return _ChildRun(context, step, config, {PIPELINE: context.pipeline} if context.pipeline else {})


def _reopen(run_id: str) -> None:
    """A run that an earlier attempt of a step had failed is running again."""
    if client().get_run(run_id).info.status != "RUNNING":
        client().update_run(run_id, "RUNNING")
        set_run_tags(run_id, {ERROR: ""})


class _ChildRun:
    """A step's run, all of whose log goes through the outbox."""

    def __init__(self, context: Context, step: str, config: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        self._context, self._curves, self._outbox = context, set[str](), outbox.current()
        experiment = context.experiment or str(client().get_run(context.parent).info.experiment_id)
        self._address = {"key": uuid.uuid4().hex, "experiment": experiment, "parent": context.parent}
        if context.own:
            self._outbox.made[self._address["key"]] = context.own
        else:
            tags = {PARENT: context.parent, STEP: step, SOURCE_NAME: "darkroom", **tags}
            self._send("create", name=step, tags=tags, time=now_ms())
        self._send("params", values=as_texts({step: config}))

    @property
    def run_id(self) -> str:
        return self._outbox.made.get(self._address["key"], "")

    def epoch(self, epoch: int, measures: Mapping[str, float]) -> None:
        self._outbox.deferred = False  # someone may be watching the curves
        self._curves.update(measures)
        self._log(epoch, measures)

    def load(self, number: int, values: Mapping[str, float]) -> None:
        """Logs a sample of the system's load, with its number as the step of the curve; another thread may call it."""
        self._outbox.deferred = False
        self._log(number, values)

    def trial(self, trial: Trial, curve: Curve) -> None:
        address = {**self._address, "key": uuid.uuid4().hex}
        tags = {PARENT: self._context.parent, TRIAL: str(trial.number), TRIAL_STATE: trial.state, SOURCE_NAME: "darkroom"}
        tags |= {TRIAL_REASON: redact(trial.reason)[:5000]} if trial.reason else {}
        tags |= {PIPELINE: self._context.pipeline} if self._context.pipeline else {}
        entries: list[dict[str, Any]] = [
            {"kind": "create", "name": f"trial {trial.number}", "tags": tags, "time": now_ms()},
            {"kind": "params", "values": {name: as_text(value) for name, value in trial.settings.items()}},
            *({"kind": "metrics", "step": epoch, "values": _finite(row), "time": now_ms()} for epoch, row in enumerate(curve, start=1)),
            {"kind": "metrics", "step": 0, "values": {} if trial.score is None else {"score": trial.score}, "time": now_ms()},
            {"kind": "end", "status": "FAILED" if trial.state == "failed" else "FINISHED", "time": now_ms()},
        ]
        for entry in entries:
            self._outbox.send({**address, **entry})

    def measures(self, measures: Mapping[str, float]) -> None:
        self._log(0, {f"best_{name}" if name in self._curves else name: value for name, value in measures.items()})

    def keep(self, name: str, path: Path) -> None:
        parent = self._context.parent
        self._outbox.send({"kind": "file", "run": parent, "parent": parent, "name": name, "path": str(path.absolute())})

    def fail(self, error: BaseException) -> None:
        """Ends the run with the error: its kind for programs; a mistake of the user's in its own words."""
        kind = kind_of(error)
        self._send("tags", values={ERROR_KIND: kind})
        self.end("FAILED", str(error) if kind == "input" else f"{type(error).__name__}: {error}")

    def end(self, status: Status, error: str = "") -> None:
        parent = {"run": self._context.parent, "parent": self._context.parent}
        for address in [self._address, *([parent] if error and self._context.pipeline else [])]:
            if error:
                self._outbox.send({**address, "kind": "tags", "values": error_tags(error)})
            if not self._context.own:
                self._outbox.send({**address, "kind": "end", "status": status, "time": now_ms()})
        outbox.flush()

    def _log(self, step: int, measures: Mapping[str, float]) -> None:
        self._send("metrics", step=step, values=_finite(measures), time=now_ms())

    def _send(self, kind: str, **what: Any) -> None:
        self._outbox.send({**self._address, "kind": kind, **what})


def _finite(measures: Mapping[str, float]) -> dict[str, float | str]:
    """Measures as JSON has them: one that is not finite as a text."""
    return {name: float(value) if math.isfinite(value) else str(value) for name, value in measures.items()}
