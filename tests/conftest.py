"""Fixtures for all tests."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers

STARTED = time.monotonic()
MLFLOWS_OWN_WARNINGS = (
    "The ``noload`` loader strategy is deprecated:DeprecationWarning",
    ".*Any type hint is inferred as AnyType:UserWarning",
    "Operation with range is deprecated:DeprecationWarning",
)  # from inside MLflow: nothing here can mend them


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, except those that a library gives about itself."""
    for warning in MLFLOWS_OWN_WARNINGS:
        config.addinivalue_line("filterwarnings", f"ignore:{warning}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file with the whole pipeline comes first: started last, one worker would have it alone while the others are done."""
    items.sort(key=lambda item: item.path.name != "test_runs.py")
    for item in items:
        item.user_properties += [("counted", mark.args[0]) for mark in item.iter_markers("counted")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells how many of what is counted held, such as `malicious files: 30/30`."""
    held, tried = Counter[str](), Counter[str]()
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            for what in (
                value
                for name, value in getattr(report, "user_properties", ())
                if name == "counted" and (report.failed or report.when == "call")
            ):
                tried[what] += 1
                held[what] += outcome == "passed"
    for what in sorted(tried):
        terminalreporter.write_line(f"{what}: {held[what]}/{tried[what]}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begins no further test when the time that `TEST_BUDGET_S` grants is over: what was left out is told as skipped."""
    budget = float(os.environ.get("TEST_BUDGET_S", "inf"))
    if time.monotonic() - STARTED > budget:
        pytest.skip(f"the {budget:g} s of TEST_BUDGET_S are over")


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store on SQLite, made once for all workers: MLflow's migrations take seconds.

    The process that made it wrote its output beside it, in `made.out` and `made.err`.
    """
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "mlflow-template"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made.out").exists():
            code = "from darkroom.tracking.runs import use_store; print(use_store())"
            clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
            environment = {**clean, "PYTHONPATH": str(Path(__file__).parents[1])}
            (folder / "store").mkdir(exist_ok=True)
            made = subprocess.run(
                [sys.executable, "-c", code], cwd=folder / "store", env=environment, capture_output=True, text=True, check=False
            )
            (folder / "made.err").write_text(made.stderr)
            (folder / "made.out").write_text(made.stdout)
    return folder / "store" / "mlflow.db"


@pytest.fixture
def mlflow_store(migrated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a fresh MLflow store, which this test and its processes use."""
    folder = tmp_path / "mlflow-store"
    folder.mkdir()
    shutil.copyfile(migrated_store, folder / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """A PostgreSQL cluster."""
    with servers.postgres() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.ObjectStore]:
    """An S3 store."""
    with servers.object_store(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(scope="session")
def guarded_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """The environments of a `writer` and a `reader` of the bucket `artifacts`, in an S3 store of its own that knows no others."""
    with servers.object_store(tmp_path_factory.mktemp("guarded-s3")) as store:
        yield store.guard(writer="s3:*", reader="s3:List*")


@pytest.fixture(scope="session")
def tracking_server(
    tmp_path_factory: pytest.TempPathFactory, postgres: servers.Postgres, object_store: servers.ObjectStore
) -> Iterator[servers.TrackingServer]:
    """The shared MLflow server with authentication, PostgreSQL and S3 behind it; who stops it starts it again."""
    with servers.tracking_server(tmp_path_factory.mktemp("mlflow"), postgres, object_store) as server:
        yield server
