"""`darkroom run --runner docker` on the sample, beside `--runner local`, and on less where it has to fail."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from pipelines.version.sample import write_sample
from tests.containers.conftest import BASE
from tests.pipelines.conftest import ON, Project, shapes

pytestmark = pytest.mark.slow

LONG = ("train.epochs=8", "train.batch_size=2", "train.side_px=16", "prune.enabled=false")
PATIENCE_S = 30


class Dockered(Project):
    """A project whose steps run in containers."""

    def __init__(self, folder: Path, image: str) -> None:
        super().__init__(folder)
        self.image = image

    def command(self, *words: str) -> list[str]:
        docker = ["--runner", "docker", "--set", f"platform.image={self.image}"] if words[0] == "run" else []
        return super().command(words[0], *docker, *words[1:])

    def containers(self, engine: DockerClient) -> list[str]:
        return [one.short_id for one in engine.containers.list(all=True, filters={"label": f"darkroom.project={self.folder}"})]


@pytest.fixture(scope="module")
def place(image: str, tmp_path_factory: pytest.TempPathFactory) -> Dockered:
    project = Dockered(tmp_path_factory.mktemp("docker") / "project", image)
    shapes(project.folder / "shapes")
    write_sample(project.folder / "sample")
    return project


@pytest.fixture(scope="module")
def first(place: Dockered) -> dict[str, Any]:
    return place.run(place.folder / "sample")


def digests(project: Project, run_id: str) -> dict[str, str]:
    """Digests of what the steps handed on, by task and name: pixels, tables, weights; what holds times or paths apart."""
    (root,) = (project.folder / "runs" / run_id / "artifacts").iterdir()
    told = ("executor_output.json", "metrics", "report", "outcome", "model.json", "history", "pruned_model", "summary")
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and not set(told) & set(path.relative_to(root).parts)]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_artifacts_and_measures_are_those_of_the_local_runner(place: Dockered, first: dict[str, Any], tmp_path: Path) -> None:
    local = Project(tmp_path / "local")
    shutil.copytree(place.folder / "sample", local.folder / "sample")
    here = local.run(local.folder / "sample")
    assert first["metrics"] == here["metrics"]
    assert first["pruned"]["metrics"] == here["pruned"]["metrics"]
    assert first["data_version"] == here["data_version"]
    assert set(first["steps"]) == set(here["steps"]) == ON
    theirs, ours = digests(local, here["run_id"]), digests(place, first["run_id"])
    assert {name for name in theirs if theirs[name] != ours.get(name)} == set()
    assert len(theirs) > 10


def test_files_belong_to_the_caller_and_logs_are_kept(place: Dockered, first: dict[str, Any], engine: DockerClient) -> None:
    run = place.folder / "runs" / first["run_id"]
    assert {path.stat().st_uid for path in place.folder.rglob("*")} == {os.getuid()}
    assert {path.stem for path in (run / "logs").iterdir()} == {*first["steps"], "pretrain", "tune", "ingest_unlabelled"}
    assert "epoch 1/1" in (run / "logs" / "train.log").read_text()
    assert place.containers(engine) == []


def test_the_second_run_comes_from_the_cache(place: Dockered, first: dict[str, Any]) -> None:
    again = place.run(place.folder / "sample")
    assert {step for step, how in again["steps"].items() if how["cached"]} == set(first["steps"]) - {"register"}
    assert (again["model"], again["metrics"]) == (first["model"], first["metrics"])


def test_the_data_can_only_be_read(place: Dockered, first: dict[str, Any]) -> None:
    code = """
import sys
from pathlib import Path
from pipelines.run.containers import run_container
from pipelines.run.docker import containers
from pipelines.platform import read_platform
found = containers(Path("shapes"), {}, read_platform({"image": sys.argv[1]}))
write = "open('mlflow.db', 'a').close(); open('shapes/left/left 00.png', 'rb').close(); open('shapes/new', 'w')"
run_container(found.client, found.image, ["python", "-c", write], print, **found.options)
"""
    command = [*place.command("x")[:1], "-c", code, place.image]
    done = subprocess.run(command, cwd=place.folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip().split("\n")[-1] == "OSError: [Errno 30] Read-only file system: 'shapes/new'"


def test_a_mistake_in_the_data_is_one_sentence(place: Dockered, first: dict[str, Any]) -> None:
    data = shapes(place.folder / "one")
    shutil.rmtree(data / "left")
    shutil.rmtree(data / "right")
    done = place.darkroom("run", "--data", str(data), "--json")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    assert "'top'" in json.loads(done.stdout.strip().split("\n")[-1])["error"]


def test_a_step_without_enough_memory_fails_with_that_reason(place: Dockered, first: dict[str, Any], engine: DockerClient) -> None:
    data = shapes(place.folder / "little", num_images=4)
    done = place.darkroom("run", "--data", str(data), "--set", "platform.memory_limit=64Mi", "--json")
    error = json.loads(done.stdout.strip().split("\n")[-1])["error"]
    assert done.returncode == 1
    assert error.startswith("ingest failed: out of memory: the kernel killed it at its limit of 64 MiB (platform.memory_limit)")
    assert place.containers(engine) == []


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("platform.image=darkroom-no-such-image", "the Docker engine has no image darkroom-no-such-image"),
        (f"platform.image={BASE}", f"the code has changed since the image {BASE} was built: run `make image`"),
        ("platform.memory_limit=1Mi", "Docker can't start a container as the settings of `platform` ask: "),
        ("platform.cpu_limit=999000m", "Docker can't start a container as the settings of `platform` ask: "),
    ],
)
def test_what_the_engine_can_not_do_is_said_before_any_step_starts(place: Dockered, tmp_path: Path, setting: str, sentence: str) -> None:
    project = Dockered(tmp_path / "project", place.image)
    data = shapes(project.folder / "shapes", num_images=1)
    done = project.darkroom("run", "--data", str(data), "--set", setting, "--json")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert json.loads(done.stdout.strip().split("\n")[-1])["error"].startswith(sentence)
    assert not (project.folder / "runs").exists()


@pytest.fixture
def killed(place: Dockered, first: dict[str, Any]) -> Iterator[str]:
    """A run that was killed once two epochs of its training were kept."""
    before = set((place.folder / "runs").iterdir())
    options = [word for setting in LONG for word in ("--set", setting)]
    command = place.command("run", "--data", str(place.folder / "shapes"), *options)
    with subprocess.Popen(command, cwd=place.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 240
        log: list[Path] = []
        while not log or log[0].read_text().count("\nepoch ") < 2:
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
            log = [path for folder in set((place.folder / "runs").iterdir()) - before for path in folder.glob("logs/train.log")]
        run.send_signal(signal.SIGKILL)
    yield log[0].parts[-3]


def test_a_killed_run_leaves_no_container_and_goes_on_from_its_checkpoint(place: Dockered, killed: str, engine: DockerClient) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while place.containers(engine) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert place.containers(engine) == []
    options = [word for setting in LONG for word in ("--set", setting)]
    done = place.darkroom("run", "--data", str(place.folder / "shapes"), *options, "--json")
    assert done.returncode == 0, done.stderr
    assert f"run {killed[:8]} was killed" in done.stderr
    resumed = json.loads(done.stdout.strip().split("\n")[-1])
    log = (place.folder / "runs" / resumed["run_id"] / "logs" / "train.log").read_text()
    assert ("epoch 1/8" in log, "epoch 8/8" in log) == (False, True)
