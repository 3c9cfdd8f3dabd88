"""Faults of the machine, as the libraries really raise them."""

import contextlib
import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.system.faults import explain, explain_text

ROOT = Path(__file__).parents[3]
AGAIN = "; then the same command goes on from where it was"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no space is left on the disk for /out/model: free some, for example with `darkroom gc`" + AGAIN),
        (errno.EDQUOT, "no space is left on the disk for /out/model: free some, for example with `darkroom gc`" + AGAIN),
        (errno.EROFS, "/out/model can't be written, because it is read-only: make it writable, or work in another folder" + AGAIN),
        (errno.EFBIG, "/out/model would be larger than a file may be here (`ulimit -f`): raise that limit" + AGAIN),
    ],
)
def test_the_system_s_faults_name_the_file_and_the_remedy(number: int, sentence: str) -> None:
    fault = OSError(number, os.strerror(number), "/out/model")
    assert explain(fault) == explain_text(f"OSError: {fault}") == sentence
    assert explain(OSError(number, os.strerror(number), "/data/a.png", None, "/out/model")) == sentence
    wrapped = RuntimeError("it went wrong")
    wrapped.__cause__ = fault
    assert explain(wrapped) == sentence


def test_a_file_of_somebody_else_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    fault = PermissionError(errno.EACCES, "Permission denied", "/out/model")
    assert (
        explain(fault)
        == f"the user ana may not read or write /out/model: give them the right to (chown, chmod), or work in another folder{AGAIN}"
    )
    assert explain(PermissionError(errno.EACCES, "Permission denied")) == ""  # of a server, for instance


def test_other_faults_are_not_explained() -> None:
    assert [explain(fault) for fault in (ValueError("no"), FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"))] == ["", ""]


WRITERS = {
    "arrow": "import pyarrow as pa, pyarrow.parquet as pq; pq.write_table(pa.table({'a': list(range(10**6))}), path)",
    "safetensors": "import numpy, safetensors.numpy as s; s.save_file({'a': numpy.zeros(10**6)}, path)",
    "python": "open(path, 'wb').write(bytes(10**6))",
    "sqlite": "import sqlite3; db = sqlite3.connect(path); db.execute('create table t (a)'); "
    "db.executemany('insert into t values (?)', [('x' * 1000,)] * 1000); db.commit()",
}


@pytest.mark.parametrize("library", WRITERS)
def test_what_libraries_raise_on_a_full_disk_is_understood(library: str, tmp_path: Path) -> None:
    """A limit on the file's size stands in for the disk: the same failed write, without root."""
    code = f"import sys; path = sys.argv[1]\ntry:\n    {WRITERS[library]}\nexcept BaseException as error:\n    from darkroom.system."
    code += "faults import explain; print(type(error), error, '->', explain(error))\n"

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")], check=True, capture_output=True, text=True, preexec_fn=limit, cwd=ROOT
    )
    assert done.stdout.rpartition(" -> ")[2].endswith(f"{AGAIN}\n"), done.stdout


def test_a_draft_is_told_by_the_name_that_it_would_have_had() -> None:
    assert explain(OSError(errno.EROFS, "Read-only file system", "/out/.model.json.4711.part")).startswith(
        "/out/model.json can't be written"
    )


def test_the_lock_on_a_file_is_told_by_the_file_s_name() -> None:
    error = OSError(errno.EROFS, "Read-only file system", "/project/.mlflow.db.lock")
    assert explain(error).startswith("/project/mlflow.db can't be written")


def test_a_database_that_is_locked_is_named(mlflow_store: Path) -> None:
    database = mlflow_store / "mlflow.db"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with contextlib.closing(sqlite3.connect(database, timeout=0)) as other, pytest.raises(sqlite3.OperationalError) as caught:
            other.execute("create table t (a)")
    assert explain_text(f"(sqlite3.OperationalError) {caught.value}").startswith(f"{database} is locked by another process")
