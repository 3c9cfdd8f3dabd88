"""One retraining: plan, train only if there is reason to, promote only if better; safe to start any number of times at once.

Two retrainings of the same work exclude each other by a lock of the operating system on a file under `runs/`, which ends
with the process, and, on machines that share a server, by a lease in MLflow (see `darkroom.tracking.leases`).
"""

import dataclasses
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from darkroom.system.config import parse, read_params
from darkroom.system.locks import try_acquire
from darkroom.tracking.leases import TakenError
from darkroom.tracking.tags import ASKS, LEASE, RETRAIN_START
from pipelines.messages import failure_notified, outcome_message, send
from pipelines.params import RETRAIN, SECTIONS
from pipelines.paths import ROOT
from pipelines.plan import Plan, key_of
from pipelines.retrain.decide import Decision, RetrainConfig, decide, tags_of, waiting, window_of
from pipelines.retrain.warm_start import warm_start
from pipelines.run import run
from pipelines.run.resume import resume
from pipelines.view import Listener


def read_retrain(overrides: list[str], params: Path, window: str = "") -> RetrainConfig:
    """The settings of `retrain`.

    Args:
        overrides: Settings such as `retrain.start=champion`, laid over the file's.
        params: The file of settings.
        window: Another window than the file's, or empty.

    Raises:
        InputError: A setting is wrong.
    """
    values = read_params(params, tuple(overrides), SECTIONS)[RETRAIN]
    return parse(RetrainConfig, RETRAIN, values | ({"window": window} if window else {}))


def retrain(plan: Plan, config: RetrainConfig, view: Listener, *, force: bool = False) -> dict[str, Any]:
    """Trains if there is reason to, and no other process does the same.

    Args:
        plan: What would be run.
        config: When there is reason to.
        view: Shows what happens.
        force: Whether to train though nothing changed.

    Returns:
        The decision's plain values, and `outcome`, the run's, where there was one.

    Raises:
        InputError: The data or a setting is wrong.
        StepFailedError: A step failed.
    """
    with failure_notified(plan.name, view):
        result = _retrain_alone(plan, config, view, force)
        if outcome := result.get("outcome"):
            send(outcome_message(outcome), view)
        return result


def _retrain_alone(plan: Plan, config: RetrainConfig, view: Listener, force: bool) -> dict[str, Any]:
    now = datetime.now(UTC)
    key = key_of(plan, config.start, window_of(config.window, now))
    with _alone(ROOT / "turns" / f"{key}.lock") as other:  # the folder's name stays: earlier releases lock there, too
        if other:
            decision = waiting(key, other)
            view.note(f"plan: {decision.message}")
            return decision.plain()
        run.make_ready(view, create=True)
        decision = decide(plan, config, force=force, now=now)
        view.note(f"plan: {decision.message}")
        if decision.action != "train":
            return decision.plain()
        return _train(plan, config, decision, view, now)


def _train(plan: Plan, config: RetrainConfig, decision: Decision, view: Listener, now: datetime) -> dict[str, Any]:
    if unfinished := decision.run.get("run_id"):
        return decision.plain() | {"outcome": resume(unfinished, view)}
    tags = tags_of(decision, config, now) | {LEASE: ASKS}
    if config.start == "champion":
        plan, note = warm_start(plan, ROOT / "models")
        view.note(f"plan: {note.message}")
        tags |= {RETRAIN_START: note.start}
    try:
        outcome = run.run(dataclasses.replace(plan, tags=tags), view)
    except TakenError as taken:
        decision = waiting(decision.key, taken.other.who())
        view.note(f"plan: {decision.message}")
        return decision.plain()
    return decision.plain() | {"outcome": outcome}


@contextmanager
def _alone(path: Path) -> Iterator[dict[str, str]]:
    """Yields nothing where this process has the lock now, else the process that has it."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    lock = try_acquire(path, json.dumps({"run_id": "", "host": socket.gethostname(), "pid": str(os.getpid()), "since": since}))
    if lock is None:
        yield _holder(path)
        return
    try:
        yield {}
    finally:
        lock.release()


def _holder(path: Path) -> dict[str, str]:
    """What the process that has a lock wrote into it; it may not have done so yet."""
    for _ in range(20):
        text = path.read_text(encoding="utf-8")
        if text.endswith("}"):
            who: dict[str, str] = json.loads(text)
            return who
        time.sleep(0.05)
    return {"run_id": "", "host": socket.gethostname(), "pid": "unknown", "since": "this moment"}
