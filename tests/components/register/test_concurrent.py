"""Several runs that register under one name at the same moment, each a process of its own, on one store."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.registry.champion import moves
from darkroom.registry.registry import aliases, versions
from darkroom.tracking.runs import client, start_run
from darkroom.tracking.tags import ALIAS_TICKET, DECISION
from tests.finished import Finished, make

CODE = """
import json, sys
from pathlib import Path
from components.register.config import RegisterConfig
from components.register.register import register
from darkroom.artifacts import Artifacts
import darkroom.registry.package, mlflow, pandas
arguments, outputs = json.loads(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
register(Artifacts(**{name: Path(path) for name, path in arguments.items()}), outcome=outputs / "outcome",
         config=RegisterConfig(measure="accuracy", num_resamples=200, max_recall_drop="none"), name="toys", params={})
"""


def start(work: Finished, place: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
    place.mkdir()
    monkeypatch.setenv("MLFLOW_RUN_ID", start_run("toys", "run", {}, {}, "toys", "1"))
    arguments = json.dumps({name: str(path) for name, path in vars(work.artifacts).items()})
    command = [sys.executable, "-c", CODE, arguments, str(place)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def server(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An MLflow server on this machine, which this test and its processes use instead of the database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stores = ["--backend-store-uri", f"sqlite:///{mlflow_store / 'mlflow.db'}", "--artifacts-destination", str(mlflow_store / "served")]
    command = [sys.executable, "-m", "mlflow", "server", *stores, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    clean["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    with (mlflow_store / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=mlflow_store, env=clean, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                break
            time.sleep(0.5)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.mark.slow
def test_registrations_at_once_on_a_server_end_with_the_best_as_the_one_champion(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(tmp_path, monkeypatch, (0.45, 0.0, 0.5, 0.4))
    assert not [tag for tag in client().get_registered_model("toys").tags if tag.startswith(ALIAS_TICKET)]


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0.0, 0.4, 0.45, 0.5, 0.55), (0.55, 0.5, 0.45, 0.4, 0.0, 0.0)])
def test_registrations_at_once_end_with_the_best_as_the_one_champion(
    mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[float, ...]
) -> None:
    check(tmp_path, monkeypatch, order)


def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[float, ...]) -> None:
    """Registers models of different noise at once and looks at what came of it."""
    works = [make(tmp_path / f"work{place}", per_class=60, noise=noise, data_version=f"{noise}") for place, noise in enumerate(order)]
    running = [start(work, tmp_path / f"out{place}", monkeypatch) for place, work in enumerate(works)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0] * len(order), [end[1][-2000:] for end in ends]
    found = versions("toys")
    assert len(found) == len(set(order))  # equal models are one version
    assert {version.tags.get(DECISION) for version in found} <= {"champion", "challenger"}
    best = max(found, key=lambda version: float(version.tags["accuracy"]))
    assert aliases("toys")["champion"] == best.number
    assert moves("toys")[-1].version == best.number
    promoted = [version.number for version in found if version.tags[DECISION] == "champion"]
    assert sorted(promoted) == sorted(one.version for one in moves("toys"))
