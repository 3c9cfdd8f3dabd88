"""Delivery: what each entry of the outbox (see `darkroom.tracking.outbox`) does to MLflow; done again, it changes nothing more.

An entry is plain: `kind`, `parent` (the pipeline's run), and what is logged. Metrics carry their own time, and MLflow's SQL
stores ignore an exact repetition; parameters and tags are the same again; an end carries its own time. A child run is made
under a `key` of ours, which stands on it as a tag: so it is found where it has been made already.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from darkroom.system.secrets import redact
from darkroom.tracking.client import client, database
from darkroom.tracking.log import log_curves, log_files, log_texts, set_run_tags
from darkroom.tracking.search import running, search_runs, tag_is
from darkroom.tracking.tags import PARENT, STEP_KEY

Entry = Mapping[str, Any]

TIMEOUT_S = 10
_BUSY_S = 2.0
_AWAY = (401, 403, 429)  # and 500 and above
_BRIEF = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT_S)}


def deliver(entry: Entry, made: dict[str, str], *, again: bool) -> None:
    """Does what an entry says, in a single attempt of a few seconds.

    Args:
        entry: The entry.
        made: The ids of child runs by their keys; a run that is made, or found, is added.
        again: Whether it may have been delivered before.
    """
    with _single_attempt():
        if entry["kind"] == "create":
            made[entry["key"]] = (_find(entry) if again else "") or _create(entry)
        elif entry["kind"] in _ACTIONS:
            _ACTIONS[entry["kind"]](_run_of(entry, made), entry)
        else:
            raise LookupError("the line can't be read")


def ping() -> None:
    """Sends a small request to the store, in a single attempt of a few seconds; raises its error."""
    with _single_attempt():
        client().search_experiments(max_results=1)


def status_of(error: BaseException) -> int:
    """The HTTP status that an error of MLflow's stands for; 503 where nobody answers, 0 where it is none of that."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError

    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    if answered := getattr(getattr(error, "response", None), "status_code", 0):  # where files are uploaded
        return int(answered)
    return 503 if isinstance(error, ConnectionError | TimeoutError | OperationalError | sqlite3.OperationalError) else 0


def is_away(error: BaseException) -> bool:
    """Whether an error says that the store can't be reached now, and may be later."""
    status = status_of(error)
    return status in _AWAY or status >= 500


def reason_of(error: BaseException) -> str:
    """Why a store could not be reached, in a few words and without a secret."""
    text = " ".join(redact(str(error)).split())
    for sign, meaning in (
        ("Connection refused", "the connection is refused"),
        ("Connection aborted", "the connection broke"),
        ("Connection reset", "the connection broke"),
        ("Remote end closed", "the connection broke"),
        ("timed out", f"no answer within {TIMEOUT_S} s"),
        ("timeout exception", f"no answer within {TIMEOUT_S} s"),
        ("database is locked", "the database is locked by another process"),
    ):
        if sign in text:
            return meaning
    return f"{status_of(error)}: {text[:200]}" if status_of(error) else f"{type(error).__name__}: {text[:200]}"


def end_run(run_id: str, status: str, tags: Mapping[str, str], time_ms: int) -> None:
    """Ends a pipeline's run, and those of its steps that MLflow still has as running.

    Args:
        run_id: The run.
        status: `FINISHED`, `FAILED` or `KILLED`.
        tags: Tags that it gets, such as the error.
        time_ms: When it ended, in milliseconds since 1970.
    """
    store = client()
    if tags:
        set_run_tags(run_id, tags)
    for child in running(tag_is(PARENT, run_id), [store.get_run(run_id).info.experiment_id]):
        if _is_duplicate(child):
            store.delete_run(child.info.run_id)
        else:
            store.set_terminated(child.info.run_id, status, time_ms)
    store.set_terminated(run_id, status, time_ms)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


@contextlib.contextmanager
def _single_attempt() -> Iterator[None]:
    """While the block runs, MLflow's client tries once, for some seconds; otherwise it retries for minutes."""
    before = {name: os.environ.get(name) for name in _BRIEF}
    os.environ.update(_BRIEF)
    try:
        _check_database()
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _check_database() -> None:
    """Raises where another process holds an SQLite database: MLflow would wait for it 20 s and more."""
    path = database()
    if path is None or not path.is_file():
        return
    with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as store:
        try:
            store.execute("BEGIN IMMEDIATE")
            store.execute("ROLLBACK")
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # no database at all: MLflow's own error is clearer
            return


def _create(entry: Entry) -> str:
    tags = {**entry["tags"], STEP_KEY: entry["key"]}
    return str(client().create_run(entry["experiment"], entry["time"], tags, entry["name"]).info.run_id)


def _find(entry: Entry) -> str:
    """The child run with an entry's key, or nothing; of two, the one with more metrics and parameters (see `_is_duplicate`)."""
    found = _with_key(entry["experiment"], entry["key"])
    return str(found[0].info.run_id) if found else ""


def _with_key(experiment: str, key: str) -> list[Any]:
    found = search_runs(tag_is(STEP_KEY, key), [experiment])
    return sorted(found, key=lambda run: (-len(run.data.metrics) - len(run.data.params), run.info.status == "RUNNING", run.info.run_id))


def _is_duplicate(run: Any) -> bool:
    """Whether a run is a duplicate: a server that hung may carry out a request long after the client has given up and repeated it."""
    key = run.data.tags.get(STEP_KEY, "")
    return bool(key) and _with_key(run.info.experiment_id, key)[0].info.run_id != run.info.run_id


def _run_of(entry: Entry, made: dict[str, str]) -> str:
    """The run that an entry is about.

    Raises:
        LookupError: It is a child run that was never made.
    """
    if "run" in entry:
        return str(entry["run"])
    key = entry["key"]
    if key not in made:
        if not (found := _find(entry)):
            raise LookupError("the step's run is not in MLflow")
        made[key] = found
    return made[key]


def _log_points(run_id: str, entry: Entry) -> None:
    log_curves(run_id, [(entry["step"], {name: float(value) for name, value in entry["values"].items()})], entry["time"])


def _log_bundle(run_id: str, entry: Entry) -> None:
    """Keeps a zip file's content with a run."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(entry["path"]) as archive:
            archive.extractall(Path(folder) / entry["folder"])
        log_files(run_id, Path(folder))


def _log_file(run_id: str, entry: Entry) -> None:
    """Keeps a file with a run under a name of its own."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(entry["path"], Path(folder) / entry["name"])
        log_files(run_id, Path(folder))


_ACTIONS: dict[str, Callable[[str, Entry], None]] = {
    "params": lambda run_id, entry: log_texts(run_id, entry["values"]),
    "metrics": _log_points,
    "tags": lambda run_id, entry: set_run_tags(run_id, entry["values"]),
    "end": lambda run_id, entry: client().set_terminated(run_id, entry["status"], entry["time"]),
    "finish": lambda run_id, entry: end_run(run_id, entry["status"], entry["tags"], entry["time"]),
    "bundle": _log_bundle,
    "file": _log_file,
}
