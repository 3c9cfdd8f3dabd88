"""A small real data set, and the command line as a person calls it: in a process of its own, in a project's folder."""

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from components import STEPS
from components.register.config import RegisterConfig
from components.register.register import register
from darkroom import issues, manifest
from darkroom.images import Images
from darkroom.tracking.runs import finish_run, start_run
from darkroom.tracking.tags import WORK_KEY
from pipelines.plan import Plan, make_plan
from pipelines.run import run
from tests import forks
from tests.finished import make

ROOT = Path(__file__).parent.parent.parent
# after one epoch a network is below its floor
QUICK = (
    "train.epochs=1",
    "prune.epochs=1",
    "train.side_px=16",
    "evaluate.num_resamples=100",
    "prune.max_latency_ratio=9",
    "train.floor=report",
)

# what a run with these settings does not list, and what it does
OFF = {"ingest_evaluation", "embed_evaluation", "clean_evaluation", "ingest_unlabelled", "pretrain", "tune"}
ON = {*STEPS, "evaluate_pruned", "evaluate_floor"} - OFF


def shapes(folder: Path, num_images: int = 24, seed: int = 0) -> Path:
    """Writes noisy pictures of 16 x 16 pixels: bright on the left, on the right, or at the top, a folder a class."""
    random = np.random.default_rng(seed)
    for label, area in {"left": np.s_[:, :8], "right": np.s_[:, 8:], "top": np.s_[:8, :]}.items():
        (folder / label).mkdir(parents=True)
        for number in range(num_images):
            picture = random.integers(0, 90, (16, 16, 3))
            picture[area] += 150
            Image.fromarray(picture.astype(np.uint8)).save(folder / label / f"{label} {number:02d}.png")
    return folder


def answer_of(done: subprocess.CompletedProcess[str]) -> Any:
    """What `--json` made the last line of standard output."""
    return json.loads(done.stdout.strip().split("\n")[-1])


class Project:
    """A folder in which `darkroom` works."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self.environment = folder, dict(environment or {})
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "params.yaml", folder)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pipelines", *words]

    def variables(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DARKROOM_"))}
        return clean | self.environment

    def darkroom(self, *words: str) -> subprocess.CompletedProcess[str]:
        """In a process of its own, as a person starts it."""
        return subprocess.run(
            self.command(*words),
            check=False,
            cwd=self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def fork(self, *words: str) -> subprocess.CompletedProcess[str]:
        """In a fork of this process: seconds sooner, for tests that are not about the process."""
        return forks.darkroom(words, self.folder, self.variables())

    def run(self, data: Path, *sets: str, processes: bool = True) -> dict[str, Any]:
        """The answer of a run, in processes as a person's, or in forks of this one."""
        options = [word for setting in (*QUICK, *sets) for word in ("--set", setting)]
        done = (self.darkroom if processes else self.fork)("run", "--data", str(data), *options, "--json")
        assert done.returncode == 0, done.stderr
        return answer_of(done)


@pytest.fixture(scope="session", autouse=True)
def shallow_stacks() -> Iterator[None]:
    """kfp asks for the whole stack, with the source of each frame, when it wants its caller's name: below pytest that takes seconds."""
    from kfp.dsl import pipeline_task

    with pytest.MonkeyPatch.context() as patch:
        caller = types.SimpleNamespace(stack=lambda: [(), ("frame", "file", "line", sys._getframe(2).f_code.co_name)])
        patch.setattr(pipeline_task, "inspect", caller)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_yaml() -> Iterator[None]:
    """kfp reads and writes a compiled pipeline in pure Python, which takes seconds; libyaml does the same at once."""
    from kfp.compiler import pipeline_spec_builder
    from kfp.dsl import structures

    quick = types.SimpleNamespace(**vars(yaml))
    quick.safe_load = functools.partial(yaml.load, Loader=yaml.CSafeLoader)
    quick.safe_load_all = functools.partial(yaml.load_all, Loader=yaml.CSafeLoader)
    quick.dump = functools.partial(yaml.dump, Dumper=yaml.CDumper)
    quick.dump_all = functools.partial(yaml.dump_all, Dumper=yaml.CDumper)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structures, "yaml", quick)
        patch.setattr(pipeline_spec_builder, "yaml", quick)
        yield


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@dataclasses.dataclass
class Toys:
    """A source, what would be run on it, and the run behind its champion."""

    source: Path
    plan: Plan
    run_id: str

    def start(self, key: str, **tags: str) -> str:
        return start_run("toys", "other", {}, {WORK_KEY: key, **tags}, "toys", self.plan.version)


@pytest.fixture(scope="module")
def toys(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toys]:
    """A champion whose run has finished; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("toys")
    shutil.copyfile(migrated_store, folder / "mlflow.db")
    work = make(folder / "made", evaluate_pruned=False)
    table, source = manifest.read(work.artifacts.splits), folder / "toys"
    images = Images(work.images)
    for path, name in zip(table.column("path"), table.column("image_id"), strict=True):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(images[name])
    dropped = b"no image at all"
    (source / "cat" / "broken.png").write_bytes(dropped)
    issues.write(
        work.artifacts.issues,
        [{"path": "cat/broken.png", "image_id": hashlib.sha256(dropped).hexdigest(), "action": "dropped", "check": "x"}],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        made = make_plan(source, [], ROOT / "params.yaml")
        dataclasses.replace(table, data_version=made.version).write(work.artifacts.splits)
        run_id = run._start(made)
        patch.setenv("MLFLOW_RUN_ID", run_id)
        register(work.artifacts, folder / "outcome", config=RegisterConfig(), name="toys", params=made.params)
        patch.delenv("MLFLOW_RUN_ID")
        finish_run(run_id, "FINISHED")
        yield Toys(source, made, run_id)
