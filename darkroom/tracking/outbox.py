"""The outbox: what this process has to say to MLflow is sent at once, or waits in a file.

It waits while MLflow can't be reached (nobody listens, no answer in time, an error of the server's, refused credentials, a
locked database), in order, under the folder that `DARKROOM_OUTBOX` names; delivery is tried again with growing pauses
whenever there is more to say. What a process could not deliver before it ended, the run's process, the next run or `darkroom
sync` delivers. See `darkroom.tracking.delivery` and `darkroom.tracking.outbox_file`.

A step of a run on this machine leaves its words to the run's process from the start, unless it has curves to show: to import
MLflow takes longer than many a step.
"""

import contextlib
import functools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from darkroom.system.errors import RunError
from darkroom.system.faults import explain
from darkroom.system.processes import has_owner
from darkroom.tracking import outbox_file
from darkroom.tracking.client import reaching, shown, tracking_uri
from darkroom.tracking.delivery import Entry, deliver, is_away, ping, reason_of, status_of
from darkroom.tracking.outbox_file import Waiting
from darkroom.tracking.tags import MLFLOW_PATIENCE_S, OUTBOX_FOLDER

WAITS_S = (5.0, 10.0, 20.0, 40.0, 60.0)  # between one try and the next; the last again and again


class AwayError(RunError):
    """The store did not answer for as long as one waits."""


@dataclass
class Delivered:
    """What came of delivering.

    Attributes:
        sent: How many entries were delivered, by the pipeline's run.
        waiting: How many still wait, by file.
        why: Why they wait, by file.
        living: How many entries processes that live have yet to deliver, by file.
        refused: Why MLflow refused entries for good, by the file in which they are kept.
    """

    sent: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, int] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    living: dict[str, int] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """What a person should know, a sentence each; processes that live speak for themselves."""
        found = [f"{number} entries of run {run[:8]} that had waited are in MLflow now" for run, number in sorted(self.sent.items())]
        return found + self.refusals() + [f"{number} entries wait in {path}: {self.why[path]}" for path, number in self.waiting.items()]

    def refusals(self) -> list[str]:
        """What MLflow refused for good, a sentence a file."""
        return [f"{len(why)} entries were refused by MLflow ({why[-1]}) and are kept in {path}" for path, why in self.refused.items()]


class Outbox:
    """What a process has to say to one store.

    Attributes:
        made: The ids of the child runs that this process made, by their keys.
    """

    def __init__(self, folder: str, store: str, *, courier: bool = False) -> None:
        self.made: dict[str, str] = {}
        self._folder, self._store, self._courier = folder, store, courier
        self._file: Waiting | None = None
        self._failures, self._failed, self._next_try = 0, 0.0, 0.0

    @property
    def num_waiting(self) -> int:
        """How many entries of this process wait."""
        return len(self._file.entries) if self._file else 0

    @property
    def just_tried(self) -> bool:
        """Whether delivery failed this moment, so that another try would be in vain."""
        return self.num_waiting > 0 and time.monotonic() - self._failed < 1

    def send(self, entry: Entry) -> None:
        """Says something to MLflow, now or as soon as it answers again.

        Args:
            entry: What, see `darkroom.tracking.delivery`.

        Raises:
            MlflowException: MLflow refuses it.
        """
        if self._courier:
            self._wait().append(entry)
            return
        if self._file is not None:
            self._file.append(entry)
            if time.monotonic() >= self._next_try:
                self.flush()
            return
        try:
            deliver(entry, self.made, again=False)
        except Exception as error:
            if not is_away(error):
                raise
            self._wait().append(entry)
            _say(f"MLflow at {self._store} can't be reached ({reason_of(error)}): what is logged waits in {self._wait().path}")
            self._put_off()

    def go_live(self) -> None:
        """From now on this process delivers itself: someone may be watching."""
        if self._courier:
            self._courier = False
            self.flush()

    def leave(self) -> bool:
        """Lets go of what waits where another process delivers it; whether there is one."""
        if self._courier and self._file:
            self._file.close()
            self._file = None
        return self._courier

    def flush(self) -> None:
        """Tries to deliver what waits."""
        if self._file is None:
            return
        result = Delivered()
        _deliver(self._file, result)
        for why in result.refused.values():
            _say(f"MLflow refused {len(why)} entries ({why[-1]}): they are kept beside {self._file.path}")
        if self._file.entries:
            self._put_off()
            return
        self._file.close()
        waited, self._file, self._failures = self._failures > 0, None, 0
        if waited:
            _say(f"MLflow at {self._store} answers again: {result.sent.total()} entries that had waited were delivered")

    def _wait(self) -> Waiting:
        if self._file is None:
            self._file = outbox_file.start(Path(self._folder or tempfile.mkdtemp(prefix="darkroom-outbox-")), self._store, self.made)
        return self._file

    def _put_off(self) -> None:
        self._failed = time.monotonic()
        self._next_try = self._failed + WAITS_S[min(self._failures, len(WAITS_S) - 1)]
        self._failures += 1


def here() -> Outbox:
    """This process's outbox for the store that is in use."""
    folder = os.environ.get(OUTBOX_FOLDER, "")
    return _outbox(folder, shown(tracking_uri()), bool(folder) and has_owner(), os.getpid())


def at(folder: Path) -> Outbox:
    """An outbox of this process whose words wait in a folder, whatever the environment says."""
    return _outbox(str(folder.absolute()), shown(tracking_uri()), False, os.getpid())


def settle() -> None:
    """The last try of a step; where nobody looks after what it leaves, as in a pod that goes with it, it waits for the store."""
    box = here()
    if box.leave():
        return
    if not box.just_tried:
        box.flush()
    if not box.num_waiting or os.environ.get(OUTBOX_FOLDER):
        return
    try:
        reach()
    except Exception as error:
        _say(f"{error}: {box.num_waiting} entries were not delivered")


def reach() -> None:
    """Waits until the store answers, where nothing can be done without it, and delivers what waits.

    Raises:
        InputError: It can't be used, or refuses the credentials.
        AwayError: It does not answer for as long as `DARKROOM_MLFLOW_PATIENCE_S` says (300 s).
    """
    patience = float(os.environ.get(MLFLOW_PATIENCE_S, "") or 300)
    start, waits = time.monotonic(), list(WAITS_S)
    while error := _trouble():
        left = start + patience - time.monotonic()
        if left <= 0:
            raise AwayError(
                explain(error) or f"the MLflow store at {shown(tracking_uri())} has not answered for {patience:g} s ({reason_of(error)})"
            ) from None
        if waits == list(WAITS_S):
            _say(f"MLflow at {shown(tracking_uri())} can't be reached ({reason_of(error)}): waiting for it, at most {patience:g} s")
        time.sleep(min(waits[0], left))
        waits = waits[1:] or waits
    here().flush()


@contextlib.contextmanager
def needing() -> Iterator[None]:
    """Turns what says that the store is away, in the middle of something that can't be done without it, into an `AwayError`."""
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise
        raise AwayError(
            explain(error) or f"the MLflow store at {shown(tracking_uri())} does not answer any more ({reason_of(error)})"
        ) from error


def deliver_left(folder: Path) -> Delivered:
    """Delivers what processes that are gone left in a folder; a child run that they could not end is ended.

    Returns:
        What was delivered, and what still waits.
    """
    result, store = Delivered(), shown(tracking_uri())
    for file in outbox_file.abandoned(folder):
        if file.store == store:
            _end_what_was_left(file)
            _deliver(file, result)
        elif file.entries:
            result.waiting[str(file.path)] = len(file.entries)
            result.why[str(file.path)] = f"they are for the MLflow store at {file.store}, and this is {store}"
        file.close()
    for path in outbox_file.paths(folder):
        if str(path) not in result.waiting and (number := len(outbox_file.peek(path))):
            result.living[str(path)] = number
    return result


def _deliver(file: Waiting, result: Delivered) -> None:
    """Delivers a file's entries in order, as far as it goes."""
    done = 0
    for entry in file.entries:
        try:
            deliver(entry, file.made, again=True)
            result.sent[str(entry["parent"])] += 1
        except Exception as error:
            if is_away(error):
                result.why[str(file.path)] = reason_of(error)
                break
            kept = file.set_aside(entry, reason_of(error))
            result.refused.setdefault(str(kept), []).append(reason_of(error))
        done += 1
    file.done(done)
    if file.entries:
        result.waiting[str(file.path)] = len(file.entries)


def _end_what_was_left(file: Waiting) -> None:
    """A step whose process was killed has no end: it ended with the last that it said."""
    ended_ms = int(file.path.stat().st_mtime * 1000)
    ends = [{**_address(first), "kind": "end", "status": "KILLED", "time": ended_ms} for first in file.unended.values()]
    if ends:
        file.append(*ends)


def _address(entry: Entry) -> Mapping[str, str]:
    return {name: entry[name] for name in ("key", "experiment", "parent")}


def _trouble() -> Exception | None:
    """Why the store can't be reached; nothing where it answers. What waiting does not mend is raised."""
    with reaching():
        try:
            ping()
        except Exception as error:
            if not is_away(error) or status_of(error) in (401, 403):
                raise
            return error
    return None


@functools.cache
def _outbox(folder: str, store: str, courier: bool, pid: int) -> Outbox:
    """One a process: what a fork inherits belongs to its parent."""
    return Outbox(folder, store, courier=courier)


def _say(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)
