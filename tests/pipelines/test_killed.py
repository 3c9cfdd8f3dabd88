"""`kill -9` of a run in training and at any other moment, and the same command again."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from pipelines.training import TASKS
from tests.pipelines.conftest import QUICK, Project, shapes
from tests.pipelines.killing import Ending, Stage, different, ending, moments, problems

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
    assert "resuming after epoch " in log
    assert list((killed.folder / "runs" / "checkpoints").glob("train-*")) == []
    straight = undisturbed.run(data, *SETS)
    assert model_bytes(killed) == model_bytes(undisturbed)
    assert resumed["metrics"] == straight["metrics"]
    client = MlflowClient(f"sqlite:///{killed.folder / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert sorted({run.info.status for run in runs}) == ["FINISHED", "KILLED"]


NUM_KILLS = int(os.environ.get("DARKROOM_KILLS", "30"))  # fewer for a quick look
CHAMPION = (*QUICK, "register.name=killed", "register.promote_if=not_worse")
CERTAIN = (  # what must not depend on the clock, else this test would see nothing
    "train-component/model/weights.safetensors",
    "train-component/model/model.onnx",
    "prune-component/pruned_model/weights.safetensors",
    "evaluate-component/evaluation/predictions.parquet",
    "evaluate-component-2/evaluation/predictions.parquet",
    "split-component/splits",
    "registry/model.onnx",
    "version's run/evaluation/predictions.parquet",
    "measures of the run: accuracy",
    "tags of the version: darkroom.model_sha256",
    "tags of the version: darkroom.reason",
    "aliases: champion",
    "moves",
    "versions",
    "running",
    "finished steps",
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A project with a champion, whose data has grown since."""
    project, data = Project(tmp_path / "project"), shapes(tmp_path / "shapes", num_images=12)
    before = Stage(project, data, CHAMPION)
    before.finish("run")
    for path in shapes(tmp_path / "more", num_images=6, seed=1).glob("*/*.png"):
        path.rename(data / path.parent.name / f"more {path.name}")
    grown = Stage(project, data, (*CHAMPION, "train.epochs=2"))
    grown.keep()
    return grown


def undisturbed(stage: Stage) -> tuple[Ending, Ending]:
    """How `run` and `retrain` end when nobody disturbs them; the times that they take stay in the stage."""
    endings = []
    for command in ("run", "retrain"):
        stage.reset()
        stage.watch(command)
        outcome = json.loads(next(path for path in stage.project.folder.glob("runs/*/outcome.json") if stage.is_new(path)).read_text())
        endings.append(ending(stage.project, stage.template, outcome))
    return endings[0], endings[1]


@pytest.mark.slow
def test_whenever_a_run_is_killed_the_same_command_ends_as_if_nothing_had_happened(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    straight, again = undisturbed(stage)
    assert set(CERTAIN) <= straight.names() - different(straight, again)
    hit, wrong = Counter[str](), dict[str, list[str]]()
    for moment in moments(NUM_KILLS):
        place = stage.kill_surely(moment)
        outcome = stage.finish(moment.command)
        found = problems(ending(stage.project, stage.template, outcome), straight, again)
        found += [f"process {pid} is left" for pid in stage.leftovers()]
        hit[place] += 1
        with capsys.disabled():
            print(f"{moment} (in {place}): {found or 'as undisturbed'}", flush=True)
        if found:
            wrong[str(moment)] = found
    with capsys.disabled():
        print(f"killed and resumed: {NUM_KILLS - len(wrong)}/{NUM_KILLS}; killed in {dict(hit)}", flush=True)
    assert wrong == {}
    assert NUM_KILLS < 30 or set(hit) >= {"start", *TASKS}
