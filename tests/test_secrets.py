"""Secrets are planted in the environment of whole runs, one that ends well and one that fails, and searched for in all they leave.

Every step's process prints its whole environment, and the one that fails tells it as its error: the worst that a library may do.
"""

import dataclasses
import io
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import psutil
import pytest

from tests.pipelines.conftest import QUICK, ROOT, Project, shapes
from tests.webhook import SECRET, webhook

pytestmark = [pytest.mark.slow, pytest.mark.counted("planted secrets searched for")]

NAMES = (
    "MLFLOW_TRACKING_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GIT_PASSWORD",
    "DARKROOM_KUBEFLOW_TOKEN",
    "DARKROOM_KUBEFLOW_COOKIES",
)
SECRETS = {**{name: f'Pl4nted/"{name.lower()}\'s"+1' for name in NAMES}, "DARKROOM_WEBHOOK_URL": SECRET}
PLACES = ("files", "printed", "arguments", "webhook", "pipeline")
BOAST = """
import os, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "components.prune.prune" and os.environ.get("FAIL"):
            raise RuntimeError(f"no luck with {dict(os.environ)}")

if "pipelines.run.step_server" in sys.orig_argv:
    for stream in (sys.stdout, sys.stderr):
        print("environment:", dict(os.environ), *os.environ.values(), file=stream)
    sys.meta_path.insert(0, Finder())
"""
YAML = ("--set", f"platform.image=darkroom@sha256:{'0' * 64}", "--set", "platform.secrets={mlflow: {password: MLFLOW_TRACKING_PASSWORD}}")


@dataclasses.dataclass
class Left:
    """What the runs left, by place, and how often the environment was told in the logs."""

    places: dict[str, list[bytes]]
    num_told: int


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    root = tmp_path_factory.mktemp("secrets")
    (root / "site").mkdir()
    (root / "site" / "sitecustomize.py").write_text(BOAST)
    with pytest.MonkeyPatch.context() as patch, webhook(patch, 200) as hook:
        path = os.pathsep.join(map(str, (root / "site", ROOT)))
        given = {**{name: SECRETS[name] for name in NAMES}, "MLFLOW_TRACKING_USERNAME": "anna", "PYTHONPATH": path}
        project = Project(root / "project", {**given, "DARKROOM_WEBHOOK_URL": hook.address})
        data, arguments = shapes(root / "shapes", num_images=12), set[str]()
        settings = [word for setting in QUICK for word in ("--set", setting)]
        printed = [
            watched(project, arguments, 0, "run", "--data", str(data), *settings, "--json"),
            watched(project, arguments, 1, "run", "--data", str(data), *settings, "--set", "prune.max_drop=0.5", "--json", FAIL="1"),
            watched(project, arguments, 2, "run", "--data", "git+http://127.0.0.1:1/images.git#data", "--json"),
            watched(project, arguments, 0, "runs"),
            watched(project, arguments, 0, "logs", "last"),
            watched(project, arguments, 0, "compile", *YAML, "-o", "training.yaml"),
        ]
        bodies = [json.dumps(body, ensure_ascii=False).encode() for body in hook.bodies]
    assert len(bodies) == 2 and len(arguments) > 10
    files = [content for file in sorted(project.folder.rglob("*")) if file.is_file() for content in contents(file)]
    places = {"files": files, "printed": printed, "arguments": [word.encode() for word in arguments], "webhook": bodies}
    told = sum(log.read_text().count("MLFLOW_TRACKING_USERNAME") for log in project.folder.glob("runs/*/logs/*.log"))
    yield Left(places | {"pipeline": [(project.folder / "training.yaml").read_bytes()]}, told)


def watched(project: Project, arguments: set[str], status: int, *words: str, **more: str) -> bytes:
    """Runs a command, notes the arguments of every process that it starts, and returns what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DARKROOM_"))}
    environment |= {**project.environment, **more}
    with subprocess.Popen(
        project.command(*words),
        cwd=project.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        over = threading.Event()
        watcher = threading.Thread(target=note_arguments, args=(psutil.Process(process.pid), arguments, over))
        watcher.start()
        printed = process.communicate()[0]
        over.set()
        watcher.join()
    assert process.returncode == status, printed.decode()
    return printed


def note_arguments(process: psutil.Process, arguments: set[str], over: threading.Event) -> None:
    while not over.wait(0.2):
        try:
            for one in (process, *process.children(recursive=True)):
                arguments.update(one.cmdline())
        except psutil.Error:  # it has ended in between
            continue


def contents(file: Path) -> list[bytes]:
    """A file's bytes, and those of the files in it where it is a zip."""
    data = file.read_bytes()
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return [data]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [data, *(archive.read(name) for name in archive.namelist())]


def test_the_environment_was_told_to_the_logs(left: Left) -> None:
    """Otherwise the search below would find nothing whatever the product did."""
    assert left.num_told >= 20
    assert all(left.places[place] for place in PLACES)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SECRETS)
def test_a_planted_secret_is_nowhere(name: str, place: str, left: Left) -> None:
    value = SECRETS[name]
    forms = {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
    found = [content for content in left.places[place] for form in forms if form.encode() in content]
    assert [content[:200] for content in found] == []
