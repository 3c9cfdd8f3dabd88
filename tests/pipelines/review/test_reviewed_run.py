"""A run is reviewed by what it left: here, in the cache of another, or in MLflow; and the command serves until it is stopped."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from darkroom import issues, verdicts
from darkroom.registry.fetch import ISSUES_KEPT, SPLITS_KEPT
from darkroom.system.errors import InputError
from darkroom.tracking.log import log_files
from darkroom.tracking.runs import finish_run, start_run
from pipelines.review.reviewed_run import ReviewedRun, read_run
from tests.pipelines.conftest import ROOT
from tests.reviewed import encoded, make_run


@pytest.fixture
def made(mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReviewedRun:
    """What a run's steps made, and its data; the current folder is a project's."""
    run = make_run(tmp_path / "made", ["cat/0.png", "cat/1.png"])
    for number, (path, _) in enumerate(run.paths):
        (run.source / path).parent.mkdir(exist_ok=True)
        (run.source / path).write_bytes(encoded(number))
    project = tmp_path / "project"
    project.mkdir()
    (project / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(project)
    return run


def tracked(run: ReviewedRun) -> str:
    run_id = start_run("shapes", "a run", {}, {}, str(run.source), "v")
    finish_run(run_id, "FINISHED")
    return run_id


def lay_out(folder: Path, run: ReviewedRun) -> None:
    """The folders of the steps, as kfp names them."""
    for step in ("ingest", "clean", "split"):
        (folder / f"{step}-component").mkdir(parents=True)
    run.delivered.write(folder / "ingest-component" / "manifest")
    assert run.packed is not None
    run.packed.rename(folder / "ingest-component" / "images")
    issues.write(folder / "clean-component" / "issues", run.findings)
    run.delivered.write(folder / "split-component" / "splits")


def test_what_the_run_left_here_is_read(made: ReviewedRun) -> None:
    run_id = tracked(made)
    lay_out(Path("runs", run_id, "artifacts", "pipeline"), made)
    for name in ("last", run_id[:8]):
        run = read_run(name)
        assert (run.run_id, run.findings, run.source) == (run_id, made.findings, made.source)
        assert run.image(run.paths[1][1]) == encoded(1)


def test_what_the_cache_answered_with_is_read(made: ReviewedRun) -> None:
    first, run_id = tracked(made), tracked(made)
    pipeline = Path("runs", first, "artifacts", "pipeline").absolute()
    lay_out(pipeline, made)
    Path("runs/cache").mkdir()
    for step, output in {"ingest": "images", "clean": "issues", "split": "splits"}.items():
        entry = {output: {"uri": str(pipeline / f"{step}-component" / output)}}
        Path(f"runs/cache/{step}0123.json").write_text(json.dumps(entry))
    Path("runs", run_id, "artifacts").mkdir(parents=True)
    Path("runs", run_id, "artifacts", "used.json").write_text(json.dumps({step: f"{step}01" for step in ("ingest", "clean", "split")}))
    run = read_run(run_id)
    assert run.findings == made.findings and run.image(run.paths[0][1]) == encoded(0) and run.splits is not None


def test_what_mlflow_keeps_is_read_with_the_images_of_the_data(made: ReviewedRun, tmp_path: Path) -> None:
    run_id = start_run("shapes", "a run", {}, {}, str(made.source), "v")
    tree = tmp_path / "tree"
    (tree / SPLITS_KEPT).parent.mkdir(parents=True)
    made.delivered.write(tree / SPLITS_KEPT)
    issues.write(tree / ISSUES_KEPT, made.findings)
    log_files(run_id, tree)
    finish_run(run_id, "FINISHED")
    run = read_run(run_id)
    assert run.findings == made.findings and run.image(run.paths[0][1]) == encoded(0)
    for path, _ in made.paths:
        (made.source / path).unlink()
    with pytest.raises(InputError, match=f"the images of run {run_id[:8]} are not on this machine"):
        read_run(run_id)


def test_a_run_without_findings_is_named(made: ReviewedRun) -> None:
    run_id = tracked(made)
    with pytest.raises(InputError, match=f"run {run_id[:8]} has no findings to review"):
        read_run("last")
    with pytest.raises(InputError, match="'nothing' means 0 runs"):
        read_run("nothing")


@pytest.mark.slow
def test_the_command_serves_the_page_until_ctrl_c(made: ReviewedRun) -> None:
    lay_out(Path("runs", tracked(made), "artifacts", "pipeline"), made)
    command = [sys.executable, "-m", "pipelines", "review", "last"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        address = next(line for line in process.stderr if line.startswith("review: ")).split()[1]
        with urllib.request.urlopen(address, timeout=60) as page:
            assert page.read().startswith(b"<!doctype html>")
        body = json.dumps({"image_id": made.findings[0]["image_id"], "verdict": "drop", "labels": []}).encode()
        request = urllib.request.Request(address.replace("/?", "/verdict?"), body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["verdict"] == "drop"
        process.send_signal(signal.SIGINT)
        assert "1 image(s) have a verdict" in process.stderr.read()
        assert process.wait(60) == 0
    assert [one.word for one in verdicts.read(made.source / verdicts.FILE)] == ["drop"]
