"""Several runs that register under one name at the same moment, each a process of its own, on one SQLite store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.champions import moves
from components.tracking import start_run
from components.versions import DECISION, aliases, versions
from tests.finished import Finished, make

CODE = """
import json, sys
from pathlib import Path
from components.register.config import RegisterConfig
from components.register.register import register
import components.packaging, mlflow, pandas
arguments, outputs = json.loads(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
register(**{name: Path(path) for name, path in arguments.items()}, outcome=outputs / "outcome", report=outputs / "report",
         config=RegisterConfig(measure="accuracy", num_resamples=200, max_recall_drop="none"), name="toys", params={})
"""


def start(work: Finished, place: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
    place.mkdir()
    monkeypatch.setenv("MLFLOW_RUN_ID", start_run("toys", "run", {}, {}, "toys", "1"))
    arguments = json.dumps({name: str(path) for name, path in work.arguments().items()})
    command = [sys.executable, "-c", CODE, arguments, str(place)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0.0, 0.4, 0.45, 0.5, 0.55), (0.55, 0.5, 0.45, 0.4, 0.0, 0.0)])
def test_registrations_at_once_end_with_the_best_as_the_one_champion(
    mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[float, ...]
) -> None:
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
