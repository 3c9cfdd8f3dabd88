"""Every command in bad surroundings: one sentence, the right exit status, no traceback, and nothing made.

The commands are those of the parser, and get the arguments that they can't do without, so a new one is tried by itself.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from darkroom.system.streams import open_streams
from darkroom.tracking.runs import finish_run, start_run
from pipelines.cli import app, main
from tests import forks

ROOT = Path(__file__).parents[2]
NOTHING = "nothing/1"  # names a version, a run, a schedule, an image: of all there is none
BROKEN = 1  # the exit status of a doctor who found something, and of a command whose output was not written


def commands() -> dict[str, list[str]]:
    """The words of each command by its name: with what it can't do without, and for JSON where it gives any."""
    found = {}
    for name, command in _leaves(get_command(app), ()):
        words = list(name)
        for parameter in command.params:
            if parameter.required:
                words += [NOTHING] if parameter.param_type_name == "argument" else [parameter.opts[0], NOTHING]
            if "--json" in parameter.opts:
                words.append("--json")
        found[" ".join(name)] = words
    return found


def _leaves(command: Any, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    for word, below in (inner or {}).items():
        yield from _leaves(below, (*name, word))


COMMANDS = commands()


@dataclass
class Surroundings:
    """Where a command is started, and how.

    Attributes:
        project: The project's folder, with `params.yaml`, a folder in a folder, and no data.
        store: A store with a run in it, which can be copied.
        here: The current folder.
        environment: Variables over those of now.
        output: Where standard output leads: to a `file`, a `full` device, nowhere because it is `closed`, or an `ascii` terminal.
        removed: Whether the current folder is removed before the command starts.
    """

    project: Path
    store: Path
    here: Path
    environment: dict[str, str] = field(default_factory=dict)
    output: str = "file"
    removed: bool = False

    def start(self, words: list[str]) -> "subprocess.CompletedProcess[str]":
        """Does what a command does, from the point where its process has started."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DARKROOM_"))}
        return forks.run(lambda: self._work(words), self.here, clean | self.environment)

    def _work(self, words: list[str]) -> None:
        if self.removed:
            self.here.rmdir()
        if self.output == "closed":
            os.close(1)
            sys.stdout = None  # type: ignore[assignment]
        elif self.output == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        elif self.output == "ascii":
            for stream in (sys.stdout, sys.stderr):
                stream.reconfigure(encoding="ascii", errors="strict")  # type: ignore[union-attr]
        open_streams()
        main(words)

    def files(self) -> set[Path]:
        """All that is there."""
        return set(self.project.parent.rglob("*"))


def subfolder(place: Surroundings) -> None:
    place.here = place.project / "photos" / "day one"


def removed_folder(place: Surroundings) -> None:
    place.here = place.project / "photos" / "removed"
    place.here.mkdir()
    place.removed = True


def moved(place: Surroundings) -> None:
    shutil.copytree(place.store, place.project, dirs_exist_ok=True)


def no_temporary_folder(place: Surroundings) -> None:
    place.environment = {"TMPDIR": "/nowhere"}


def no_home(place: Surroundings) -> None:
    place.environment = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache"}  # where nobody can write, not even root


def narrow(place: Surroundings) -> None:
    place.environment = {"COLUMNS": "9", "TERM": "dumb"}


def ascii_terminal(place: Surroundings) -> None:
    place.output = "ascii"
    place.environment = {"DARKROOM_WEBHOOK_URL": "Größe"}


def closed_output(place: Surroundings) -> None:
    place.output = "closed"


def full_output(place: Surroundings) -> None:
    place.output = "full"


def relative_address(place: Surroundings) -> None:
    place.environment = {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}


def driverless_address(place: Surroundings) -> None:
    place.environment = {"MLFLOW_TRACKING_URI": "mysql://anna:secret123@127.0.0.1/mlflow"}


def unknown_address(place: Surroundings) -> None:
    place.environment = {"MLFLOW_TRACKING_URI": "mlflow.db"}


def no_database(place: Surroundings) -> None:
    (place.project / "mlflow.db").write_text("a text", encoding="utf-8")


def no_settings(place: Surroundings) -> None:
    (place.project / "params.yaml").write_bytes(b"")


def duplicate_settings(place: Surroundings) -> None:
    with (place.project / "params.yaml").open("a", encoding="utf-8") as file:
        file.write("\ntrain: {}\n")


def conflicting_settings(place: Surroundings) -> None:
    path = place.project / "params.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n", encoding="utf-8")


def latin_settings(place: Surroundings) -> None:
    (place.project / "params.yaml").write_bytes("register: {name: Größe}".encode("latin-1"))


Change = Callable[[Surroundings], None]
ALL: tuple[Change, ...] = (
    subfolder, removed_folder, moved, no_temporary_folder, no_home, narrow, ascii_terminal, closed_output, full_output, relative_address,
    driverless_address, unknown_address, no_database, no_settings, duplicate_settings, conflicting_settings, latin_settings,
)  # fmt: skip
ONE_OF_EACH: dict[str, Change] = {
    "models": moved,
    "predict": subfolder,
    "run": no_temporary_folder,
    "data version": no_home,
    "runs": relative_address,
    "gc": driverless_address,
    "schedule export": full_output,
    "schedule list": duplicate_settings,
    "compile": conflicting_settings,
    "promote": ascii_terminal,
    "logs": closed_output,
    "ui": no_database,
    "retrain": latin_settings,
    "rollback": unknown_address,
    "submit": no_settings,
    "sync": narrow,
    "schedule pause": removed_folder,
    "review": moved,
}


@pytest.fixture(scope="module")
def store(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and what a run in it keeps."""
    folder = tmp_path_factory.mktemp("before")
    shutil.copyfile(migrated_store, folder / "mlflow.db")

    def fill() -> None:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        finish_run(start_run("Größe", "first", {}, {}, "/data", "0123456789abcdef.dir"), "FINISHED")

    assert forks.run(fill, folder, dict(os.environ)).returncode == 0
    return folder


@pytest.fixture
def place(store: Path, tmp_path: Path) -> Surroundings:
    project = tmp_path / "project"
    (project / "photos" / "day one").mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", project)
    return Surroundings(project, store, project)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port that is taken, so that a server which finds a store stops there."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def check(place: Surroundings, change: Change, name: str, port: int) -> None:
    change(place)
    before = place.files() - ({place.here} if place.removed else set())
    further = {"ui": ["--port", str(port)], "data sample": [str(place.project / "photos")]}  # else they would go well
    done = place.start([*COMMANDS[name], *further.get(name, [])])
    errors = [line for line in done.stderr.split("\n") if line.startswith("error: ")]
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert "secret123" not in done.stderr + done.stdout
    if name == "doctor" and not errors:
        assert done.returncode in (0, BROKEN)
    else:
        assert done.returncode in ((0, 2, BROKEN) if place.output == "full" else (0, 2)), done.stderr
        assert len(errors) == (done.returncode != 0), done.stderr
    if "--json" in COMMANDS[name] and place.output in ("file", "ascii") and done.stdout:
        json.loads(done.stdout.strip().split("\n")[-1])
    assert place.files() == before


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_command_in_bad_surroundings(place: Surroundings, port: int, name: str) -> None:
    check(place, ONE_OF_EACH[name], name, port)


@pytest.mark.slow
@pytest.mark.parametrize("change", ALL)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_all_bad_surroundings(place: Surroundings, port: int, name: str, change: Change) -> None:
    check(place, change, name, port)


def test_each_of_the_surroundings_is_tried_in_the_fast_tests() -> None:
    assert {*ONE_OF_EACH.values()} == {*ALL}
