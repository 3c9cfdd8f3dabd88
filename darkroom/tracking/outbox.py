"""The outbox: what this process logs is sent to MLflow at once, or is written to a journal and delivered later.

It is written to the journal while MLflow can't be reached (nobody listens, no answer in time, an error of the server's, refused
credentials, a locked database), in order, under the folder that `DARKROOM_OUTBOX` names; delivery is tried again with growing
pauses whenever more is logged. What a process has not delivered when it ends, the run's process, the next run or `darkroom sync`
delivers. See `darkroom.tracking.delivery` and `darkroom.tracking.outbox_journal`.

A step of a run on this machine writes to the journal from the start, unless it has curves to show: to import MLflow takes longer
than many a step.
"""

import contextlib
import functools
import itertools
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from darkroom.system.errors import RunError
from darkroom.system.faults import explain
from darkroom.system.processes import has_owner
from darkroom.tracking import outbox_journal
from darkroom.tracking.client import shown, store_errors_as_input_errors, tracking_uri
from darkroom.tracking.delivery import Entry, deliver, is_away, ping, reason_of, status_of
from darkroom.tracking.outbox_journal import Journal
from darkroom.tracking.tags import MLFLOW_PATIENCE_S, OUTBOX_FOLDER

WAITS_S = (5.0, 10.0, 20.0, 40.0, 60.0)  # between one try and the next; the last again and again


class AwayError(RunError):
    """The store did not answer for as long as a process waits."""


@dataclass
class Delivered:
    """The result of a delivery.

    Attributes:
        sent: How many entries were delivered, by the pipeline's run.
        pending: How many are not, by journal.
        why: Why not, by journal.
        living: How many entries processes that live have yet to deliver, by journal.
        refused: Why MLflow refused entries for good, by the file in which they are kept.
    """

    sent: Counter[str] = field(default_factory=Counter)
    pending: dict[str, int] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    living: dict[str, int] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """What a person should know, a sentence each; processes that live report for themselves."""
        found = [f"{number} entries of run {run[:8]} that had waited are in MLflow now" for run, number in sorted(self.sent.items())]
        return found + self.refusals() + [f"{number} entries wait in {path}: {self.why[path]}" for path, number in self.pending.items()]

    def refusals(self) -> list[str]:
        """What MLflow refused for good, a sentence a file."""
        return [f"{len(why)} entries were refused by MLflow ({why[-1]}) and are kept in {path}" for path, why in self.refused.items()]


class Outbox:
    """What a process logs to one store, from any of its threads.

    Attributes:
        made: The ids of the child runs that this process made, by their keys.
        deferred: Whether the run's process delivers what this one logs, once this one has ended.
        journal: What MLflow does not have yet, if there is anything.
    """

    def __init__(self, folder: str, store: str, *, deferred: bool = False) -> None:
        self.made: dict[str, str] = {}
        self.deferred = deferred
        self.journal: Journal | None = None
        self._folder, self._store, self._lock = folder, store, threading.RLock()
        self._num_failures, self._failed_at, self._next_try = 0, 0.0, 0.0

    def send(self, entry: Entry) -> None:
        """Sends something to MLflow, now or as soon as it answers again.

        Args:
            entry: What, see `darkroom.tracking.delivery`.

        Raises:
            MlflowException: MLflow refuses it.
        """
        with self._lock:
            self._send(entry)

    def _send(self, entry: Entry) -> None:
        if self.journal is None and not self.deferred:
            try:
                deliver(entry, self.made, again=False)
                return
            except Exception as error:
                if not is_away(error):
                    raise
                self._pause()
                reason = f"MLflow at {self._store} can't be reached ({reason_of(error)})"
            _print_note(f"{reason}: what is logged waits in {self._open().path}")
        self._open().append(entry)
        if not self.deferred and time.monotonic() >= self._next_try:
            self.flush()

    def flush(self, *, unless_just_failed: bool = False) -> None:
        """Tries to deliver what is in the journal.

        Args:
            unless_just_failed: Whether to do nothing where the last try failed within a second.
        """
        with self._lock:
            self._flush(unless_just_failed)

    def _flush(self, unless_just_failed: bool) -> None:
        if self.journal is None or (unless_just_failed and self._num_failures and time.monotonic() - self._failed_at < 1):
            return
        result = Delivered()
        _deliver(self.journal, result)
        for why in result.refused.values():
            _print_note(f"MLflow refused {len(why)} entries ({why[-1]}): they are kept beside {self.journal.path}")
        if self.journal.entries:
            self._pause()
            return
        self.journal.close()
        if self._num_failures:
            _print_note(f"MLflow at {self._store} answers again: {result.sent.total()} entries that had waited were delivered")
        self.journal, self._num_failures = None, 0

    def _open(self) -> Journal:
        if self.journal is None:
            folder = Path(self._folder or tempfile.mkdtemp(prefix="darkroom-outbox-"))
            self.journal = outbox_journal.create(folder, self._store, self.made)
        return self.journal

    def _pause(self) -> None:
        self._failed_at = time.monotonic()
        self._next_try = self._failed_at + WAITS_S[min(self._num_failures, len(WAITS_S) - 1)]
        self._num_failures += 1


def current(folder: Path | None = None) -> Outbox:
    """The outbox of this process for the store that is in use.

    Args:
        folder: Where its journal is, whatever the environment says.
    """
    if folder:
        return _outbox(str(folder.absolute()), shown(tracking_uri()), False, os.getpid())
    named = os.environ.get(OUTBOX_FOLDER, "")
    return _outbox(named, shown(tracking_uri()), bool(named) and has_owner(), os.getpid())


def flush() -> None:
    """The last attempt of a step to deliver; waits for the store where no other process would deliver later, as in a pod."""
    box = current()
    if box.deferred:
        return
    box.flush(unless_just_failed=True)
    if box.journal is None or os.environ.get(OUTBOX_FOLDER):
        return
    try:
        wait_for_store()
    except Exception as error:
        _print_note(f"{error}: {len(box.journal.entries)} entries were not delivered")


def wait_for_store() -> None:
    """Waits until the store answers, where a process can't continue without it, and delivers what is in the journal.

    Raises:
        InputError: It can't be used, or refuses the credentials.
        AwayError: It does not answer for as long as `DARKROOM_MLFLOW_PATIENCE_S` says (300 s).
    """
    patience, start = float(os.environ.get(MLFLOW_PATIENCE_S, "") or 300), time.monotonic()
    for num_tries, wait_s in enumerate(itertools.chain(WAITS_S, itertools.repeat(WAITS_S[-1]))):
        error = _store_error()
        if error is None:
            break
        left = start + patience - time.monotonic()
        reason, store = reason_of(error), shown(tracking_uri())
        if left <= 0:
            raise AwayError(explain(error) or f"the MLflow store at {store} has not answered for {patience:g} s ({reason})") from None
        if num_tries == 0:
            _print_note(f"MLflow at {store} can't be reached ({reason}): waiting for it, at most {patience:g} s")
        time.sleep(min(wait_s, left))
    current().flush()


@contextlib.contextmanager
def store_required() -> Iterator[None]:
    """Turns an error of a store that can't be reached into an `AwayError`, around work that can't be done without the store."""
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise
        raise AwayError(
            explain(error) or f"the MLflow store at {shown(tracking_uri())} does not answer any more ({reason_of(error)})"
        ) from error


def deliver_left(folder: Path) -> Delivered:
    """Delivers the journals in a folder whose processes have ended; a child run that they could not end is ended.

    Returns:
        What was delivered, and what is still pending.
    """
    result, store = Delivered(), shown(tracking_uri())
    for journal in outbox_journal.abandoned(folder):
        if journal.store == store:
            _end_killed_step(journal)
            _deliver(journal, result)
        elif journal.entries:
            result.pending[str(journal.path)] = len(journal.entries)
            result.why[str(journal.path)] = f"they are for the MLflow store at {journal.store}, and this is {store}"
        journal.close()
    found = {str(path): len(outbox_journal.pending_entries(path)) for path in outbox_journal.paths(folder)}
    result.living = {path: number for path, number in found.items() if number and path not in result.pending}
    return result


def _deliver(journal: Journal, result: Delivered) -> None:
    """Delivers a journal's entries in order, until the store can't be reached."""
    done = 0
    for entry in journal.entries:
        try:
            deliver(entry, journal.made, again=True)
            result.sent[str(entry["parent"])] += 1
        except Exception as error:
            if is_away(error):
                result.why[str(journal.path)] = reason_of(error)
                break
            kept = journal.set_aside(entry, reason_of(error))
            result.refused.setdefault(str(kept), []).append(reason_of(error))
        done += 1
    journal.done(done)
    if journal.entries:
        result.pending[str(journal.path)] = len(journal.entries)


def _end_killed_step(journal: Journal) -> None:
    """Ends the step run of a process that was killed, at the time when it last logged something."""
    ended_ms = int(journal.path.stat().st_mtime * 1000)
    for first in journal.unended:
        address = {name: first[name] for name in ("key", "experiment", "parent")}
        journal.append({**address, "kind": "end", "status": "KILLED", "time": ended_ms})


def _store_error() -> Exception | None:
    """The error because of which the store can't be reached; none where it answers. Raises an error that will not pass by itself."""
    with store_errors_as_input_errors():
        try:
            ping()
        except Exception as error:
            if not is_away(error) or status_of(error) in (401, 403):
                raise
            return error
    return None


@functools.cache
def _outbox(folder: str, store: str, deferred: bool, pid: int) -> Outbox:
    """One outbox a process: a fork does not use the one of its parent."""
    return Outbox(folder, store, deferred=deferred)


def _print_note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)
