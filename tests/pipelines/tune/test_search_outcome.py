"""`darkroom tune` on a small real data set: its trials, its patch, what MLflow keeps, and what a run then takes from the cache."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from darkroom.system.config import read_params
from darkroom.system.errors import InputError
from darkroom.tuned import Trial, Tuned
from pipelines.tune.search_outcome import check_file, keep_best, show, tell
from tests.pipelines.conftest import QUICK, Project, answer_of, shapes

SETS = (
    "tune.num_trials=2",
    "tune.search={train.learning_rate: [0.004]}",
    "train.learning_rate=1e-7",
    "train.epochs=4",
    "train.monitor=loss",
)


def words(*sets: str) -> list[str]:
    return [word for setting in sets for word in ("--set", setting)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("search") / "project")
    shapes(project.folder / "shapes", num_images=12)
    return project


@pytest.fixture(scope="module")
def outcome(project: Project) -> dict[str, Any]:
    done = project.fork("tune", "--data", "shapes", *words(*QUICK, *SETS), "--apply", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = answer_of(done)
    found["told"] = done.stdout
    return found


@pytest.mark.slow
def test_a_search_ends_with_its_trials_and_the_best_settings_in_the_file(project: Project, outcome: dict[str, Any]) -> None:
    assert list(outcome["steps"])[-1] == "tune"
    assert "train" not in outcome["steps"]
    assert [trial["number"] for trial in outcome["trials"]] == [0, 1]
    assert (outcome["best_trial"], outcome["best"]) == (1, {"train.learning_rate": 0.004})
    assert outcome["trials"][1]["score"] < outcome["trials"][0]["score"]
    assert "trial" in outcome["told"].splitlines()[0]
    assert outcome["applied"]
    assert read_params(project.folder / "params.yaml")["train"]["learning_rate"] == 0.004
    assert "+  learning_rate: 0.004" in (project.folder / outcome["patch"]).read_text()


@pytest.mark.slow
def test_trials_are_child_runs_that_no_list_of_runs_shows(project: Project, outcome: dict[str, Any]) -> None:
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    run = client.get_run(outcome["run_id"])
    assert (run.info.status, run.data.tags["darkroom.search"]) == ("FINISHED", "true")
    children = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{outcome['run_id']}'")
    trials = sorted((child for child in children if "darkroom.trial" in child.data.tags), key=lambda child: child.info.run_name)
    assert [(child.info.run_name, child.info.status, child.data.tags["darkroom.trial_state"]) for child in trials] == [
        ("trial 0", "FINISHED", "complete"),
        ("trial 1", "FINISHED", "complete"),
    ]
    assert trials[1].data.params == {"train.learning_rate": "0.004"}
    assert trials[1].data.metrics["score"] == pytest.approx(outcome["trials"][1]["score"])
    assert len(client.get_metric_history(trials[1].info.run_id, "validation/loss")) == 4
    assert outcome["run_id"][:8] not in project.fork("runs", "--json").stdout


@pytest.mark.slow
def test_a_run_takes_the_search_from_the_cache_and_trains_with_its_result(project: Project, outcome: dict[str, Any]) -> None:
    done = project.fork("run", "--data", "shapes", *words(*QUICK, *SETS, "tune.enabled=true"), "--json")
    assert done.returncode == 0, done.stderr
    found = answer_of(done)
    assert found["steps"]["tune"]["cached"]
    assert not found["steps"]["train"]["cached"]
    card = json.loads(next(project.folder.glob(f"runs/{found['run_id']}/artifacts/*/train-component/model/model.json")).read_text())
    assert card["provenance"]["tuned"] == {"train.learning_rate": 0.004}
    assert {"tune", "train"} <= {note["step"] for note in found["notes"]}


def test_a_file_that_can_not_be_changed_is_told_before_the_search_and_by_it(tmp_path: Path) -> None:
    path, told = tmp_path / "params.yaml", list[str]()
    path.write_text("train: {dropout: 0.5}\n")
    with pytest.raises(InputError, match=r"params\.yaml .*train\.dropout in it by hand"):
        check_file(path, {"train.dropout": [0.1, 0.2]})
    assert keep_best(path, {"train.dropout": 0.1}, tmp_path / "patch", told.append, apply=True) == {}
    assert "by hand" in told[0]
    assert [file.name for file in tmp_path.iterdir()] == ["params.yaml"]


def test_the_command_that_is_told_applies_the_patch_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a project" / "params.yaml"
    path.parent.mkdir()
    path.write_text("train:\n  dropout: 0.5  # of the last layer\n")
    outcome = {"notes": [], **keep_best(path, {"train.dropout": 0.1}, tmp_path / "patch", print, apply=False)}
    tell(outcome, path)
    monkeypatch.chdir(tmp_path)
    subprocess.run(re.findall("`(patch .*?)`", capsys.readouterr().err)[0], shell=True, check=True)
    assert read_params(path) == {"train": {"dropout": 0.1}} and "# of the last layer" in path.read_text()


def test_trials_are_listed_with_the_best_first(capsys: pytest.CaptureFixture[str]) -> None:
    trials = (
        Trial(0, "complete", {}, 0.5, 3),
        Trial(1, "failed", {"train.dropout": 0.1}),
        Trial(2, "complete", {"train.dropout": 0.2}, 0.75, 3),
        Trial(3, "pruned", {"train.dropout": 0.3}, 0.9, 1),
    )
    assert [trial.number for trial in Tuned("accuracy", trials, 2).in_order()] == [2, 0, 3, 1]
    assert [trial.number for trial in Tuned("loss", trials, 0).in_order()] == [0, 2, 3, 1]
    show(Tuned("accuracy", trials, 2))
    assert [line.split() for line in capsys.readouterr().out.splitlines()[:2]] == [
        ["trial", "accuracy", "epochs", "state", "dropout"],
        ["2", "0.75", "3", "complete", "0.2"],
    ]
