"""A project folder as Darkroom 0.1.0 left it goes on under the code of now.

The archive holds three runs of 0.1.0 on small pictures: one that made the champion (pruned), one whose full model became
challenger, and one that was killed in `prune`. Pictures of reports, and the large files beside the cache, were left out, and
weights below 1e-9 set to 0, so that it stays small.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from darkroom.model import WEIGHTS, Predictor
from darkroom.registry.fetch import fetch_bundle
from darkroom.registry.package import log_bundle
from darkroom.tracking.runs import start_run
from pipelines import history
from pipelines.compare.compare import compare
from pipelines.params import read_settings
from pipelines.plan import make_plan
from pipelines.predict.answers import predict_files
from pipelines.progress import Progress
from pipelines.promote.models import overview
from pipelines.retrain.warm_start import warm_start
from pipelines.run.resume import plan_like
from tests.pipelines.conftest import Project

ARCHIVE = Path(__file__).parent / "project-0.1.0.tar.xz"
PLACE = "/srv/upgrade"  # where it was made: addresses of artifacts are absolute
CHAMPION, CHALLENGER, KILLED = "86b50fc6", "9e59206b", "68460263"


def unpack(folder: Path) -> Path:
    """Unpacks the project, and puts its new place into the store and into the settings that runs kept."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    with sqlite3.connect(folder / "mlflow.db") as store:
        for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for column in [row[1] for row in store.execute(f"PRAGMA table_info({table})")]:
                like = f"WHERE typeof({column}) = 'text' AND {column} LIKE '%{PLACE}%'"
                store.execute(f"UPDATE {table} SET {column} = replace({column}, '{PLACE}', '{folder}') {like}")
    store.close()
    for kept in folder.glob("mlartifacts/*/artifacts/settings.json"):
        kept.write_text(kept.read_text().replace(PLACE, str(folder)))
    (full,) = folder.glob(f"mlartifacts/{CHAMPION}*/artifacts/bundles/full/{WEIGHTS}")
    shutil.copyfile(full, folder / "start.safetensors")
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project, in which this process works."""
    folder = unpack(tmp_path_factory.mktemp("released") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        yield folder


def test_settings_of_the_project_are_still_right(project: Path) -> None:
    assert read_settings([], project / "params.yaml")[0]["split"]["test_fraction"] == 0.15


def test_runs_are_listed_with_what_came_of_them(project: Path) -> None:
    known = {run.run_id[:8]: run for run in history.runs()}
    assert set(known) == {CHAMPION, CHALLENGER, KILLED}
    assert (known[CHAMPION].model, known[CHALLENGER].model, known[KILLED].status) == ("shapes/1", "shapes/2", "killed")
    assert known[CHAMPION].metrics["accuracy"] > 0.5


def test_runs_are_compared_image_by_image(project: Path) -> None:
    found = compare(history.find(CHAMPION), history.find(CHALLENGER))
    assert found.shared == 7
    assert "train.seed" in found.settings


def test_models_are_listed_and_predicted_with(project: Path) -> None:
    (model,) = overview("shapes")
    assert {version["version"]: version["aliases"] for version in model["versions"]} == {1: ["champion"], 2: ["challenger"]}
    (answer,) = predict_files("shapes@champion", [next((project / "shapes" / "top").iterdir())]).answers
    assert answer["labels"] == ["top"]


def test_a_run_is_repeated_and_a_champion_is_started_from(project: Path, tmp_path: Path) -> None:
    plan = plan_like(CHAMPION, ["train.seed=3"], None, Progress())
    assert plan.version == history.find(CHAMPION).data_version
    assert (plan.params["train"]["seed"], plan.params["train"]["learning_rate"]) == (3, 1e-12)
    warm, start = warm_start(make_plan(project / "shapes", ["train.side_px=16"], project / "params.yaml"), tmp_path)
    assert (start.start, warm.params["train"]["side_px"]) == ("champion", 16)
    assert Path(warm.params["train"]["weights"]).is_file()


LOAD = """
import json, pathlib, sys
import components.register.config, components.train.config, darkroom.model, pipelines.history
import mlflow, pandas
table = pandas.DataFrame({"image": [pathlib.Path(sys.argv[1]).read_bytes()]})
for uri in sys.argv[2:]:
    print(json.dumps(mlflow.pyfunc.load_model(uri).predict(table).iloc[0, 2:].tolist()))
import components.split.config
"""


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["old first", "new first"])
def test_models_of_then_and_now_are_loaded_by_one_process_that_has_imported_the_product(
    project: Path, tmp_path: Path, order: tuple[int, int]
) -> None:
    picture = next((project / "shapes" / "top").iterdir())
    bundles = [fetch_bundle("shapes/1", tmp_path), fetch_bundle("shapes/2", tmp_path)]
    logged = log_bundle(start_run("other", "run", {}, {}, "shapes", "1"), bundles[1], picture.read_bytes(), {})
    addresses = ["models:/shapes/1", f"models:/{logged}"]
    command = [sys.executable, "-W", "ignore", "-c", LOAD, str(picture), *(addresses[number] for number in order)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(root)})
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    expected = [Predictor(bundles[number]).predict([picture.read_bytes()])[0] for number in order]
    np.testing.assert_allclose(np.array(answers), np.array(expected), atol=1e-6)


@pytest.mark.slow
def test_a_killed_run_of_then_is_resumed_and_runs_the_changed_steps_anew(tmp_path: Path) -> None:
    folder = unpack(tmp_path / "project")
    params = (folder / "params.yaml").read_text()
    project = Project(folder)
    (folder / "params.yaml").write_text(params)
    done = project.darkroom("resume", KILLED, "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.strip().split("\n")[-1])
    assert outcome["run_id"].startswith(KILLED)
    assert not any(step["cached"] for step in outcome["steps"].values())
    sets = ("retrain.start=champion", "train.epochs=1", "prune.enabled=false")
    retrained = project.darkroom("retrain", "--data", "shapes", "--force", *(word for one in sets for word in ("--set", one)), "--json")
    assert retrained.returncode == 0, retrained.stderr
    assert "starting from the weights of version" in retrained.stderr  # of whichever is champion after the resumed run
