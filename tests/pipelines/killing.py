"""Killing a run at a chosen moment, and all that is to be compared when the same command has ended."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from mlflow import MlflowClient

from pipelines.training import TASKS
from tests.pipelines.conftest import Project

POLL_S = 0.02
ANOTHER = " (another one)"
MEASURED_ANEW = re.compile(rb"^\| latency \|.*$", re.MULTILINE)  # two runs seldom measure the same, but it can happen
# What can be seen in the store while `register` works, in this order: a question that is answered with the number 1 or more.
IN_REGISTER = {
    "model logged": "SELECT count(*) - 1 FROM logged_models",
    "version added": "SELECT count(*) - 1 FROM model_versions",
    "reasons written": "SELECT count(*) FROM model_version_tags WHERE key = 'darkroom.reason' AND version = 2",
    "move announced": "SELECT count(*) - 1 FROM registered_model_tags WHERE key LIKE 'darkroom.champion.%'",
    "alias moved": "SELECT count(*) FROM registered_model_aliases WHERE version = 2",
    "decision written": "SELECT count(*) FROM model_version_tags WHERE key = 'darkroom.decision' AND version = 2",
    "results kept": "SELECT count(*) - 1 FROM tags WHERE key = 'darkroom.model_version'",
}


@dataclass(frozen=True)
class Moment:
    """When a run is killed: a share of the time that the undisturbed run takes from an event to the next, after that event.

    Attributes:
        after: `start`, a step that has begun, a key of `IN_REGISTER`, or `end`: the last step has ended, the run has not.
        share: 0 to 1.
        command: `run` or `retrain`.
        group: Whether all processes of the run are killed, or the run's own alone.
    """

    after: str
    share: float
    command: str
    group: bool

    def __str__(self) -> str:
        what = "all processes" if self.group else "its own process"
        return f"{self.command}: {what} killed at {self.share:.0%} after {self.after!r}"


def moments(number: int, seed: int = 0) -> list[Moment]:
    """Moments over the whole of a run, the same for a seed: every step in several places, the first second, every move in `register`.

    Args:
        number: How many; 30 or more hit everything.
        seed: Decides where in their interval they lie.
    """
    drawn = random.Random(seed)
    steps = [(task, (part + drawn.random()) / 2) for part in range(2) for task in TASKS]
    rest = [(event, drawn.random()) for event in IN_REGISTER]
    ends = [
        ("start", drawn.uniform(0, 0.15)),
        ("start", drawn.uniform(0.15, 0.6)),
        ("start", drawn.uniform(0.6, 1)),
        ("end", drawn.uniform(0, 0.5)),
    ]
    places = [*steps, *rest, *ends]
    places += [(drawn.choice(TASKS), drawn.random()) for _ in range(number - len(places))]
    drawn.shuffle(places)
    return [Moment(*place, "retrain" if turn % 3 == 2 else "run", turn % 3 == 1) for turn, place in enumerate(places[:number])]


class Stage:
    """A project whose folder is set back to a template before each run: so all paths, and with them all bytes, can be the same."""

    def __init__(self, project: Project, data: Path, sets: Sequence[str]) -> None:
        self.project, self.data, self.sets = project, data, tuple(sets)
        self.template = project.folder.with_name("template")
        self.lengths: dict[str, dict[str, float]] = {}
        self.killed = 0

    def words(self, command: str) -> list[str]:
        """The command's words."""
        options = [word for setting in self.sets for word in ("--set", setting)]
        return [command, "--data", str(self.data), *options, "--json"]

    def keep(self) -> None:
        """Makes the project as it is now the template."""
        shutil.copytree(self.project.folder, self.template)

    def reset(self) -> None:
        """Sets the project back."""
        shutil.rmtree(self.project.folder)
        shutil.copytree(self.template, self.project.folder)

    def finish(self, command: str) -> dict[str, Any]:
        """The command, to its end; gives the run's outcome."""
        done = self.project.darkroom(*self.words(command))
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.strip().split("\n")[-1])
        if answer.get("action") == "nothing":  # killed between its end and the end of its process
            answer = json.loads((self.project.folder / "runs" / answer["run"]["run_id"] / "outcome.json").read_text())
        outcome: dict[str, Any] = answer.get("outcome", answer)
        return outcome

    def begin(self, command: str) -> "subprocess.Popen[bytes]":
        """Starts the command in a process group of its own."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DARKROOM_"))}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        words = self.project.command(*self.words(command))
        return subprocess.Popen(words, cwd=self.project.folder, env=environment, start_new_session=True, **quiet)

    def events(self) -> set[str]:
        """What has happened in the run under way."""
        seen = {"start", *(path.stem for path in self.project.folder.glob("runs/*/logs/*.log") if self.is_new(path))}
        if "register" in seen:
            with sqlite3.connect(f"file:{self.project.folder / 'mlflow.db'}?mode=ro", uri=True, timeout=60) as store:
                seen |= {event for event, question in IN_REGISTER.items() if store.execute(question).fetchone()[0] >= 1}
            if any(self.is_new(path) for path in self.project.folder.glob("runs/*/report.html")):
                seen.add("end")
        return seen

    def watch(self, command: str) -> None:
        """Runs the command undisturbed and measures how long it is from each event to the next one."""
        times, process = {"start": time.monotonic()}, self.begin(command)
        while process.poll() is None:
            for event in self.events() - times.keys():
                times[event] = time.monotonic()
            time.sleep(POLL_S)
        assert process.returncode == 0
        order = [*sorted(times, key=lambda event: times[event]), ""]
        times[""] = time.monotonic()
        self.lengths[command] = {event: times[later] - times[event] for event, later in pairwise(order)}

    def kill_surely(self, moment: Moment) -> str:
        """Kills the command at the moment, or a little earlier where it had ended by then; gives the step in which it was."""
        share = moment.share
        while True:
            self.reset()
            if self._kill(replace(moment, share=share)):
                seen = self.events()
                return next((task for task in reversed(TASKS) if task in seen), "start")
            share *= 0.7

    def is_new(self, path: Path) -> bool:
        """Whether a path is not in the template."""
        return not (self.template / path.relative_to(self.project.folder)).exists()

    def _kill(self, moment: Moment) -> bool:
        """Starts the command and kills it at the moment; tells whether it was still running then."""
        process = self.begin(moment.command)
        while process.poll() is None and moment.after not in self.events():
            time.sleep(POLL_S)
        seen, until = self.events(), time.monotonic() + moment.share * self.lengths[moment.command].get(moment.after, 0.0)
        while process.poll() is None and time.monotonic() < until and self.events() == seen:  # not beyond the next event
            time.sleep(POLL_S)
        running = process.poll() is None
        if running:
            (os.killpg if moment.group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        self.killed = process.pid
        return running

    def leftovers(self) -> list[int]:
        """Processes of the killed run that are still there."""
        return [process.pid for process in psutil.process_iter() if _group(process.pid) == self.killed]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


@dataclass(frozen=True)
class Ending:
    """What a project holds when a command has ended.

    Attributes:
        files: Bytes of what the steps and the run left, by a name without the run.
        facts: Registry and runs.
    """

    files: Mapping[str, bytes]
    facts: Mapping[str, Any]

    def names(self) -> set[str]:
        """Names of the files and facts."""
        return self.files.keys() | _flat(self.facts).keys()


def ending(project: Project, template: Path, outcome: Mapping[str, Any]) -> Ending:
    """Gathers what there is when a command has ended.

    Args:
        project: The project.
        template: What it was before; what stood there is left out.
        outcome: What the command ended with.
    """
    copy = Path(tempfile.mkdtemp(dir=project.folder.parent)) / "mlflow.db"  # MLflow keeps a file open that a reset has replaced
    shutil.copyfile(project.folder / "mlflow.db", copy)
    client = MlflowClient(f"sqlite:///{copy}")
    before = {path.name for path in template.glob("runs/*")}
    new = [path for path in project.folder.glob("runs/*") if (path / "logs").is_dir() and path.name not in before]
    files = dict[str, bytes]()
    for run in sorted(new, key=lambda path: path.name):
        for path in run.glob("artifacts/*/*/**/*"):
            name = str(path.relative_to(run / "artifacts").relative_to(path.relative_to(run / "artifacts").parts[0]))
            if path.is_file() and not any(part.startswith(".") for part in path.parts) and path.name not in ("error.json", "used.json"):
                _add(files, name, MEASURED_ANEW.sub(b"", path.read_bytes()))
    version = client.get_model_version(outcome["model"]["name"], str(outcome["model"]["version"]))
    for name, run_id in (("run", outcome["run_id"]), ("version's run", version.run_id)):
        files |= {f"{name}/{path}": content for path, content in _artifacts(client, run_id).items()}
    for name in [name for name in files if name.startswith("run/bundles/")]:  # kept once, with the version's run
        del files[name]
    registered = project.folder / "mlartifacts" / "models" / str(version.source).rpartition("/")[2]
    files |= {f"registry/{path.name}": path.read_bytes() for path in registered.glob("artifacts/artifacts/bundle/*")}
    return Ending(files, _facts(client, outcome, version))


def _add(files: dict[str, bytes], name: str, content: bytes) -> None:
    """Of a step that ran twice, both files must be the same: one of them would be half of it else."""
    if name in files and files[name] != content:
        name = f"{name}{ANOTHER}"
    files[name] = content


def _artifacts(client: MlflowClient, run_id: str) -> dict[str, bytes]:
    root = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    passing = {"images", "failure"}  # pictures, and what tells of the kill
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and not passing & set(path.parts)}


def _facts(client: MlflowClient, outcome: Mapping[str, Any], version: Any) -> dict[str, Any]:
    model = client.get_registered_model(version.name)
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == outcome["run_id"]]
    moves = {key: json.loads(text) for key, text in model.tags.items() if key.startswith("darkroom.champion.")}
    parent = client.get_run(outcome["run_id"])
    return {
        "versions": sorted(entry.version for entry in client.search_model_versions(f"name = '{version.name}'")),
        "aliases": dict(model.aliases),
        "locks": [key for key in model.tags if key.startswith("darkroom.lock")],
        "moves": [(move["version"], move["previous"], move["how"], move["why"], move["sealed"]) for _, move in sorted(moves.items())],
        "tags of the version": dict(version.tags),
        "running": [run.info.run_id for run in runs if run.info.status == "RUNNING"],
        "status": parent.info.status,
        "measures of the run": dict(parent.data.metrics),
        "measures of the version's run": dict(client.get_run(version.run_id).data.metrics),
        "settings of the run": dict(parent.data.params),
        "finished steps": sorted(run.info.run_name for run in children if run.info.status == "FINISHED"),
    }


def different(one: Ending, other: Ending) -> set[str]:
    """Names of the files and facts that are not the same in both."""
    parts: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [(one.files, other.files), (_flat(one.facts), _flat(other.facts))]
    return {name for mine, theirs in parts for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)}


def problems(found: Ending, expected: Ending, again: Ending) -> list[str]:
    """Names of what is not as in an undisturbed run, save what two undisturbed runs differ in.

    Args:
        found: What is tested.
        expected: An undisturbed run.
        again: Another one.
    """
    free = different(expected, again)
    return sorted(name for name in different(found, expected) if name.removesuffix(ANOTHER) not in free)


def _flat(facts: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict[str, Any]()
    for name, value in facts.items():
        flat |= {f"{name}: {key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
    return flat
