"""`kill -9` of a run in training, and the same command again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from tests.pipelines.conftest import Project, shapes

SETS = ("train.epochs=12", "train.batch_size=2")


def start_and_kill(project: Project, data: Path) -> int:
    """Kills the run's own process once two epochs of training are kept; returns its process group."""
    options = [word for setting in ("prune.epochs=1", "train.side_px=16", *SETS) for word in ("--set", setting)]
    run = subprocess.Popen(project.command("run", "--data", str(data), *options), cwd=project.folder, start_new_session=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 240
    while not epochs_done(project) >= 2:
        assert run.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    return run.pid


def epochs_done(project: Project) -> int:
    return max((log.read_text().count("\nepoch ") for log in project.folder.glob("runs/*/logs/train.log")), default=0)


def model_bytes(project: Project) -> dict[str, bytes]:
    (folder,) = [path for path in project.folder.glob("runs/*/artifacts/*/train-component/model") if path.is_dir()]
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_behind_and_goes_on(tmp_path: Path) -> None:
    killed, undisturbed = Project(tmp_path / "killed"), Project(tmp_path / "undisturbed")
    data = shapes(tmp_path / "shapes", num_images=40)
    group = start_and_kill(killed, data)
    time.sleep(10)
    assert [process for process in psutil.process_iter() if os.getpgid(process.pid) == group] == []
    resumed = killed.run(data, *SETS)
    log = next(path for path in killed.folder.glob("runs/*/logs/train.log") if resumed["run_id"] in str(path)).read_text()
    assert "epoch 1/12" not in log
    assert "epoch 12/12" in log
    assert list((killed.folder / "runs" / "checkpoints").glob("train-*")) == []
    straight = undisturbed.run(data, *SETS)
    assert model_bytes(killed) == model_bytes(undisturbed)
    assert resumed["metrics"] == straight["metrics"]
    client = MlflowClient(f"sqlite:///{killed.folder / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert sorted({run.info.status for run in runs}) == ["FINISHED", "KILLED"]
