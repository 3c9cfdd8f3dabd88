"""The whole pipeline on a small real data set: kfp's processes, an SQLite store, the real network."""

import html
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from tests.pipelines.conftest import OFF, ON, QUICK, Project, answer_of, shapes
from tests.stores import copy_database

UNCACHED = {"register", "report"}


def cached(outcome: dict[str, Any]) -> set[str]:
    return {step for step, how in outcome["steps"].items() if how["cached"]}


@pytest.fixture(scope="module")
def place(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("runs") / "project")
    copy_database(migrated_store, project.folder)
    data = shapes(project.folder / "shapes")
    shutil.copy(data / "left" / "left 03.png", data / "left" / "the same again.png")
    (data / "top" / "broken.png").write_text("no image")
    return project


@pytest.fixture(scope="module")
def first(place: Project) -> dict[str, Any]:
    return place.run(place.folder / "shapes", processes=False)


@pytest.fixture(scope="module")
def changed(place: Project, first: dict[str, Any]) -> dict[str, Any]:
    return place.run(place.folder / "shapes", "prune.max_drop=0.5", processes=False)


@pytest.fixture
def client(place: Project) -> MlflowClient:
    return MlflowClient(f"sqlite:///{place.folder / 'mlflow.db'}")


def test_a_run_ends_with_all_that_a_person_asks_for(place: Project, first: dict[str, Any]) -> None:
    assert set(first) >= {"run_id", "experiment", "data_version", "model", "metrics", "pruned", "report", "dropped", "steps"}
    assert {**first["model"], "variant": ""} == {"name": "shapes", "version": 1, "alias": "champion", "variant": ""}
    assert first["dropped"] == 2
    assert set(first["steps"]) == ON
    assert cached(first) == set()
    assert 0 <= first["pruned"]["metrics"]["accuracy"] <= 1
    assert first["pruned"]["latency_ratio"] > 0
    assert (place.folder / first["report"]).read_text().startswith("<!doctype html>")
    assert sorted(path.stem for path in (place.folder / "runs" / first["run_id"] / "logs").iterdir()) == sorted({*ON, *OFF})


def test_what_the_steps_decided_reaches_the_person(place: Project, first: dict[str, Any], client: MlflowClient) -> None:
    told = {(note["step"], note["is_warning"]) for note in first["notes"]}
    assert {("ingest", False), ("clean", True), ("clean", False), ("split", False), ("augment", False), ("train", False)} <= told
    (unreadable,) = [note["text"] for note in first["notes"] if note["is_warning"] and note["step"] == "clean"]
    assert "broken.png" in unreadable
    assert unreadable in html.unescape((place.folder / first["report"]).read_text())
    assert "broken.png" in client.get_run(first["run_id"]).data.tags["mlflow.note.content"]


def test_mlflow_shows_a_parent_with_a_child_a_step(first: dict[str, Any], client: MlflowClient) -> None:
    parent = client.get_run(first["run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.params["train.epochs"] == "1"
    assert parent.data.metrics["accuracy"] == pytest.approx(first["metrics"]["accuracy"])
    assert parent.inputs.dataset_inputs[0].dataset.digest == first["data_version"]
    children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{first['run_id']}'")
    assert {child.info.run_name for child in children} == ON
    assert {child.info.status for child in children} == {"FINISHED"}
    (train,) = [child for child in children if child.info.run_name == "train"]
    assert [metric.step for metric in client.get_metric_history(train.info.run_id, "train/loss")] == [1]


def test_the_same_run_again_comes_from_the_cache_and_adds_no_version(place: Project, first: dict[str, Any], client: MlflowClient) -> None:
    done = place.fork("run", "--data", str(place.folder / "shapes"), *(word for one in QUICK for word in ("--set", one)), "--json")
    again = answer_of(done)
    assert cached(again) == ON - UNCACHED
    assert again["model"] == first["model"]
    assert again["notes"] == first["notes"]
    lines = done.stderr.splitlines()
    ingested = next(number for number, line in enumerate(lines) if "ingest " in line)
    assert "3 classes" in "".join(lines[ingested : ingested + 5])  # a step that the cache answers for tells its notes, too
    assert again["metrics"] == first["metrics"]
    children = client.search_runs([client.get_run(again["run_id"]).info.experiment_id], f"tags.`mlflow.parentRunId` = '{again['run_id']}'")
    assert {child.info.run_name for child in children if child.data.tags.get("darkroom.cached") == "true"} == cached(again)


@pytest.mark.slow
def test_a_late_setting_reruns_what_depends_on_it_and_nothing_else(changed: dict[str, Any]) -> None:
    assert ON - cached(changed) == {"prune", "evaluate_pruned", *UNCACHED}


@pytest.mark.slow
def test_one_pixel_reruns_everything_and_keeps_the_test_images(place: Project, first: dict[str, Any], client: MlflowClient) -> None:
    data = place.folder / "copy" / "shapes"
    shutil.copytree(place.folder / "shapes", data)
    with Image.open(data / "top" / "top 00.png") as picture:
        picture.putpixel((0, 0), (1, 2, 3))
        picture.save(data / "top" / "top 00.png")
    changed = place.run(data, processes=False)
    assert cached(changed) == set()
    assert changed["data_version"] != first["data_version"]
    assert changed["model"]["name"] == "shapes"
    back = place.run(place.folder / "shapes", processes=False)
    assert cached(back) == ON - UNCACHED
    assert back["model"]["version"] == first["model"]["version"]


def test_the_steps_logs_can_be_read_again(place: Project, first: dict[str, Any]) -> None:
    shown = place.fork("logs", first["run_id"][:12], "train")
    assert shown.returncode == 0
    assert "epoch 1/1" in shown.stdout
    missing = place.fork("logs", first["run_id"], "bake")
    assert (missing.returncode, "has no log of 'bake'" in missing.stderr) == (2, True)


def test_a_condition_that_no_run_meets_is_named(place: Project, first: dict[str, Any]) -> None:
    done = place.fork("runs", "--experiment", "shapes", "--where", "train.epochs>3")
    assert (done.returncode, "no run meets train.epochs>3" in done.stderr) == (0, True)


def test_the_registered_model_answers(place: Project, first: dict[str, Any], tmp_path: Path) -> None:
    images = sorted((place.folder / "shapes" / "left").glob("left*.png"))[:2]
    for model in ("shapes@champion", f"shapes/{first['model']['version']}", first["run_id"]):
        done = place.fork("predict", model, *map(str, images), "--json")
        assert done.returncode == 0, done.stderr
        answers = json.loads(done.stdout.strip().split("\n")[-1])
        assert [answer["image"] for answer in answers] == [str(path) for path in images]
        assert set(answers[0]["probabilities"]) == {"left", "right", "top"}
        assert np.isclose(sum(answers[0]["probabilities"].values()), 1, atol=1e-4)
    unknown = place.fork("predict", "shapes@nobody", str(images[0]))
    assert (unknown.returncode, unknown.stderr.startswith("error: ")) == (2, True)
    text = tmp_path / "text.png"
    text.write_text("no image")
    refused = place.fork("predict", "shapes@champion", str(text))
    assert (refused.returncode, "can't be read as an image" in refused.stderr) == (2, True)


def test_one_bad_file_keeps_no_other_from_its_answer(place: Project, first: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "new"
    shutil.copytree(place.folder / "shapes" / "left", folder / "deeper")
    num_images = len(list((folder / "deeper").iterdir()))
    (folder / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    (folder / "readme.txt").write_text("no image, and not named like one")
    (folder / "deeper" / "left 00.png").rename(folder / "deeper" / "left 00")  # an image without a suffix
    (folder / "notes").write_text("no image")
    os.mkfifo(tmp_path / "pipe.png")
    odd = ("nowhere.png", "pipe.png", "a" * 300 + ".png")
    done = place.fork("predict", "shapes@champion", str(folder), *(str(tmp_path / name) for name in odd), "--json")
    assert done.returncode == 1
    assert len(answer_of(done)) == num_images
    failures = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(failures) == 4
    assert any("a.heic" in line and "HEIC" in line for line in failures)
    assert any("nowhere.png does not exist" in line for line in failures)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert place.fork("predict", "shapes@champion", str(empty)).returncode == 2


def test_a_mistake_in_the_data_fails_the_run_with_one_sentence(place: Project, first: dict[str, Any], client: MlflowClient) -> None:
    data = shapes(place.folder / "one")
    shutil.rmtree(data / "left")
    shutil.rmtree(data / "right")
    done = place.fork("run", "--data", str(data), "--json")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    assert "'top'" in json.loads(done.stdout.strip().split("\n")[-1])["error"]
    (run,) = client.search_runs([client.get_experiment_by_name("one").experiment_id], "tags.`darkroom.pid` LIKE '%'")
    assert run.info.status == "FAILED"
    assert "'top'" in run.data.tags["darkroom.error"]
    assert f"runs/{run.info.run_id}/failure.zip" in done.stderr
    assert f"darkroom resume {run.info.run_id[:8]}" in done.stderr
    assert (place.folder / "runs" / run.info.run_id / "failure.zip").is_file()
    kept = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "failure")}
    assert kept == {f"failure/{name}" for name in ("environment.json", "error.json", "logs", "settings.json", "traceback.txt")}


@pytest.mark.slow
def test_runs_are_compared_in_the_terminal(place: Project, first: dict[str, Any], changed: dict[str, Any]) -> None:
    listed = place.fork("runs", "--experiment", "shapes", "--best", "accuracy", "--columns", "accuracy,prune.max_drop", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = [line.split() for line in listed.stdout.split("\n")]
    assert rows[0] == ["run", "accuracy", "prune.max_drop"]
    assert [changed["run_id"][:8], f"{changed['metrics']['accuracy']:.4f}", "0.5"] in rows
    answer = json.loads(listed.stdout.strip().split("\n")[-1])
    assert answer["best"] in listed.stderr and answer["best"].startswith("best by accuracy: ")
    known = {run["run_id"]: run for run in answer["runs"]}
    assert known[first["run_id"]]["data_version"] == first["data_version"]
    compared = place.fork("runs", first["run_id"], changed["run_id"], "--json")
    assert compared.returncode == 0, compared.stderr
    found = json.loads(compared.stdout.strip().split("\n")[-1])
    assert found["settings"] == {"prune.max_drop": ["0.02", "0.5"]}
    assert (found["data"], found["code"], found["environment"]) == ({}, {}, {})
    accuracy = next(row for row in found["measures"] if row["measure"] == "accuracy")
    change = accuracy["change"]
    assert (change["change"], change["p_value"], change["verdict"]) == (0.0, 1.0, "within chance")
    assert change["low"] <= 0.0 <= change["high"]


@pytest.mark.slow
def test_with_pretraining_the_network_learns_from_images_without_labels_first(place: Project, first: dict[str, Any]) -> None:
    pile = place.folder / "pile"
    pile.mkdir()
    for number, file in enumerate(sorted((place.folder / "shapes").rglob("*.png"))):
        shutil.copy(file, pile / f"{number}.png")
    given = (f"pretrain.data={pile}", "pretrain.enabled=true", "pretrain.epochs=1", "pretrain.batch_size=16")
    learnt = place.run(place.folder / "shapes", *given, processes=False)
    assert set(learnt["steps"]) == {*ON, "pretrain", "ingest_unlabelled"}
    texts = {note["step"]: note["text"] for note in learnt["notes"] if note["step"] in ("pretrain", "ingest_unlabelled")}
    assert "no labels" in texts["ingest_unlabelled"]
    assert any("starts from what pretrain learnt" in note["text"] for note in learnt["notes"])
    assert any("tested or compared on, too, and are left out" in note["text"] for note in learnt["notes"])
    again = place.run(place.folder / "shapes", *given, "train.label_smoothing=0.2", processes=False)
    assert {"pretrain", "ingest_unlabelled"} <= cached(again)
    assert "train" not in cached(again)
