"""MLflow's pages on Darkroom's runs, in a real browser: what a colleague looks at must be there."""

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from darkroom.tracking.pages import table_page
from tests.pipelines.conftest import Project, shapes

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or ""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--window-size=1600,1400", "--virtual-time-budget=40000",
)  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BROWSER, reason="there is no chromium here")]

Look = Callable[..., str]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[dict[str, Any]]]:
    project = Project(tmp_path_factory.mktemp("pages") / "project")
    data = shapes(project.folder / "shapes")
    return project, [project.run(data, f"train.epochs={epochs}") for epochs in (2, 3)]


@pytest.fixture(scope="module")
def look(outcomes: tuple[Project, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Look]:
    """Opens a page of `darkroom ui` and gives its text with markup, once all that is asked for is on it."""
    project, _ = outcomes
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = (project.folder / "ui.log").open("w")
    server = subprocess.Popen(project.command("ui", "--port", str(port)), cwd=project.folder, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield lambda page, *words: read(f"http://127.0.0.1:{port}/#/{page}", words, tmp_path_factory.mktemp("browser"))
    finally:
        for process in [*psutil.Process(server.pid).children(recursive=True), server]:
            process.terminate()
        server.wait(30)
        log.close()


def wait_for(address: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"{address} does not answer"
            time.sleep(0.5)


def read(address: str, words: tuple[str, ...], profile: Path) -> str:
    """A page as the browser has it after all scripts have run; tried three times, because a busy machine draws late."""
    page = ""
    for turn in range(3):
        command = [BROWSER, *FLAGS, f"--user-data-dir={profile / str(turn)}", "--dump-dom", address]
        page = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False).stdout
        if all(word in page for word in words):
            return page
    missing = [word for word in words if word not in page]
    raise AssertionError(f"{address} lacks {missing}")


def experiment_of(project: Project) -> str:
    found = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}").get_experiment_by_name("shapes")
    return str(found.experiment_id)


def test_the_list_of_runs_begins_each_name_with_what_is_new(look: Look, outcomes: tuple[Project, list[dict[str, Any]]]) -> None:
    project, _ = outcomes
    look(f"experiments/{experiment_of(project)}/runs", "train.epochs=3, train.side_px=16", "train.epochs=2", "darkroom")


def test_the_table_of_runs_shows_what_a_person_looks_for(look: Look, outcomes: tuple[Project, list[dict[str, Any]]]) -> None:
    project, _ = outcomes
    table = table_page("", experiment_of(project))
    page = look(table.removeprefix("/#/"), "viewing a shared view", "f1_macro", "pruned/f1_macro", "darkroom.decision", "Model registry")
    assert "Agent versions" not in page, "the pages for language models"


def test_two_runs_are_compared(look: Look, outcomes: tuple[Project, list[dict[str, Any]]]) -> None:
    project, runs = outcomes
    names = "%22,%22".join(run["run_id"] for run in runs)
    page = f"compare-runs?runs=%5B%22{names}%22%5D&experiments=%5B%22{experiment_of(project)}%22%5D"
    look(page, "Comparing 2 Runs", "Parallel Coordinates Plot", "train.epochs", "accuracy", *(run["run_id"] for run in runs))


def test_a_run_tells_its_story(look: Look, outcomes: tuple[Project, list[dict[str, Any]]]) -> None:
    project, runs = outcomes
    page = f"experiments/{experiment_of(project)}/runs/{runs[0]['run_id']}"
    look(
        page,
        "shapes version 1",
        "evaluate_pruned",
        "darkroom.device",
        "darkroom.torch",
        "there was no champion yet",
        "f1_macro",
    )
    look(f"{page}/model-metrics", ">floor<", ">pruned<", ">train<", ">validation<")
    look(f"{page}/artifacts", "report.html", "settings.json", "figures", "images")
    look(f"{page}/artifacts/report.html", "report.html", "<iframe")


def test_the_registry_shows_aliases_and_tags(look: Look) -> None:
    look("models/shapes", "Version 1", "champion", "accuracy", "darkroom rollback")
    look("models/shapes/versions/1", "champion", "small_cnn", "darkroom.data_version", "Schema")
