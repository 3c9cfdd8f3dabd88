"""Fixtures for all tests."""

import contextlib
import gc
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests import servers
from tests.stores import use_copy

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a fork of a process whose OpenMP threads have computed waits for them for ever
gc.set_threshold(100_000, 50, 50)  # looking for garbage among all that torch and MLflow import takes a tenth of the time

ROOT = Path(__file__).parent.parent
STARTED = time.monotonic()
LONGEST = (  # see `pytest --durations=0`
    "pipelines/run/test_run.py",
    "pipelines/forget/test_forget.py",
    "test_security.py",
    "components/register/test_register.py",
    "components/train/test_train.py",
    "components/evaluate/test_evaluate.py",  # with the process of `loaded_modules`
    "darkroom/versions/test_code.py",
    "components/train/test_floor.py",
    "components/tune/test_tune.py",
    "pipelines/run/test_step_server.py",
)
MLFLOWS_OWN_WARNINGS = (
    "The ``noload`` loader strategy is deprecated:DeprecationWarning",
    ".*Any type hint is inferred as AnyType:UserWarning",
    "Operation with range is deprecated:DeprecationWarning",
)  # from inside MLflow: nothing here can prevent them


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, except those that a library gives about itself."""
    for warning in MLFLOWS_OWN_WARNINGS:
        config.addinivalue_line("filterwarnings", f"ignore:{warning}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: started last, one worker would have such a file alone while the others are done."""
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.relative_to(ROOT / "tests").as_posix(), len(order)))
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
    """Begins no further test when the time that `TEST_BUDGET_S` grants is over: what was left out is told as skipped.

    What torch draws without a generator is the same in every run.
    """
    budget = float(os.environ.get("TEST_BUDGET_S", "inf"))
    if time.monotonic() - STARTED > budget:
        pytest.skip(f"the {budget:g} s of TEST_BUDGET_S are over")
    import torch  # not before OMP_NUM_THREADS is set

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def migrated_store(pytestconfig: pytest.Config) -> Path:
    """An empty MLflow store on SQLite, made once for all workers and kept in pytest's cache: MLflow's migrations take seconds.

    The process that made it wrote its output beside it, in `made.out` and `made.err`.
    """
    from mlflow.store.db import utils

    utils._get_latest_schema_revision = cache(utils._get_latest_schema_revision)  # reads all migrations, for each store that is opened
    makers = (ROOT / "darkroom" / "tracking" / name for name in ("client.py", "sqlite_store.py"))
    key = hashlib.sha256(b"".join([f"{ROOT} {version('mlflow')}".encode(), *(path.read_bytes() for path in makers)])).hexdigest()
    folder = Path(pytestconfig.cache.mkdir(f"mlflow-store-{key[:16]}"))  # type: ignore[union-attr]
    with FileLock(folder / "lock"):
        if not (folder / "made.out").exists():
            shutil.rmtree(folder / "store", ignore_errors=True)
            (folder / "store").mkdir()
            code = "from darkroom.tracking.runs import use_store; print(use_store(create=True))"
            clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
            environment = {**clean, "PYTHONPATH": str(ROOT)}
            made = subprocess.run(
                [sys.executable, "-c", code], cwd=folder / "store", env=environment, capture_output=True, text=True, check=False
            )
            (folder / "made.err").write_text(made.stderr)
            (folder / "made.out").write_text(made.stdout)
    return folder / "store" / "mlflow.db"


@pytest.fixture(scope="session")
def loaded_modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What a new process has imported when it has done what `tests/imports.py` does, one thing after the other."""
    with once("imports", tmp_path_factory) as (folder, first):
        if first:
            done = subprocess.run([sys.executable, "-m", "tests.imports"], cwd=ROOT, capture_output=True, text=True, check=True)
            (folder / "loaded.json").write_text(done.stdout)
    return {name: set(modules) for name, modules in json.loads((folder / "loaded.json").read_text()).items()}


@pytest.fixture(scope="session")
def exports() -> dict[str, bytes]:
    """The graphs of backbones, by what they are; see `exported_once`."""
    return {}


@pytest.fixture
def exported_once(exports: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone below a classical model is exported to ONNX once a session, which takes most of the time that fitting one does."""
    from darkroom.networks import composition

    export = composition.export_embedder

    def kept(path: Path, backbone: Any) -> None:
        key = f"{backbone.name} {backbone.weights_sha256} {backbone.recipe}"
        if key not in exports:
            export(path, backbone)
            exports[key] = path.read_bytes()
        path.write_bytes(exports[key])

    monkeypatch.setattr(composition, "export_embedder", kept)


@contextlib.contextmanager
def once(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    """A folder that the workers of a session share, and whether the block has not been ended by any of them yet; one at a time."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / name
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        yield folder, not (folder / "done").exists()
        (folder / "done").touch()


@pytest.fixture(scope="session", autouse=True)
def quick_commits() -> None:
    """SQLite waits for no disk in this process and its forks: MLflow commits some hundred times a test."""
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "connect")
    def no_waiting(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF").close()


@pytest.fixture
def mlflow_store(migrated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a fresh MLflow store, which this test and its processes use."""
    return use_copy(migrated_store, tmp_path / "mlflow-store", monkeypatch).parent


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
