"""What MLflow is told while it is away: a database that another process holds, a port where nobody listens, a server that refuses."""

import contextlib
import json
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from darkroom.system.processes import STDIN, owner_tags
from darkroom.tracking import outbox, outbox_journal
from darkroom.tracking.client import client, tracking_uri
from darkroom.tracking.delivery import deliver, is_away
from darkroom.tracking.outbox import AwayError, deliver_left, wait_for_store
from darkroom.tracking.runs import end_dead_runs, finish_run, open_run, start_run
from darkroom.tracking.step_run import step_run
from darkroom.tracking.tags import KNOWN_PARENT, MLFLOW_PATIENCE_S, OUTBOX_FOLDER, OWNER, STEP_KEY
from pipelines.recover.sync import sync
from tests.servers import free_port

CURVE = [0.5, 0.25, 0.125]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where words wait; tries follow each other at once."""
    monkeypatch.setenv(OUTBOX_FOLDER, str(tmp_path / "outbox"))
    monkeypatch.setattr("darkroom.tracking.outbox.WAITS_S", (0.0,))
    monkeypatch.setattr("darkroom.tracking.delivery._BUSY_S", 0.02)
    return tmp_path / "outbox"


@pytest.fixture
def parent(mlflow_store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of the pipeline, which the environment names as the local runner does."""
    run_id = start_run("digits", "first", {}, {}, "digits", "1")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    monkeypatch.setenv(KNOWN_PARENT, f"{client().get_run(run_id).info.experiment_id}/{run_id}")
    return run_id


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """The store's database, held by somebody else."""
    with contextlib.closing(sqlite3.connect(tracking_uri().removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def children(parent: str) -> list[Any]:
    run = client().get_run(parent)
    return list(client().search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{parent}'"))


def curve(run_id: str, name: str = "loss") -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client().get_metric_history(run_id, name)]


def train() -> str:
    """A step as it is everywhere."""
    with step_run("train", {"epochs": 3}) as step:
        for epoch, loss in enumerate(CURVE, 1):
            step.epoch(epoch, {"loss": loss})
        step.measures({"loss": 0.125, "size": 7, "odd": float("nan")})
    return step.run_id


def is_whole(run: Any) -> bool:
    """Whether a step's run has all that `train` says, once."""
    return (
        run.info.status == "FINISHED"
        and run.data.params == {"train.epochs": "3"}
        and curve(run.info.run_id) == list(enumerate(CURVE, 1))
        and curve(run.info.run_id, "best_loss") == [(0, 0.125)]
        and curve(run.info.run_id, "size") == [(0, 7.0)]
        and len(client().get_metric_history(run.info.run_id, "odd")) == 1
    )


def test_nothing_is_written_while_mlflow_answers(parent: str, folder: Path) -> None:
    run_id = train()
    (child,) = children(parent)
    assert child.info.run_id == run_id and is_whole(child)
    assert not folder.exists()


def test_a_step_begins_and_ends_while_the_database_is_locked_and_all_of_it_is_delivered_later(
    parent: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked():
        assert train() == ""
    (path,) = outbox_journal.paths(folder)
    assert len(outbox_journal.pending_entries(path)) == 7
    assert path.stat().st_mode & 0o077 == 0
    said = capsys.readouterr().err
    assert said.count("can't be reached (the database is locked by another process): what is logged waits in") == 1
    assert children(parent) == []
    outbox.current().flush()
    (child,) = children(parent)
    assert is_whole(child)
    assert outbox_journal.paths(folder) == []
    assert "answers again: 7 entries that had waited were delivered" in capsys.readouterr().err


@pytest.mark.parametrize("away", [range(0, 1), range(1, 3), range(3, 4)])
def test_an_outage_at_any_epoch_leaves_no_gap_and_no_double(parent: str, folder: Path, away: range) -> None:
    with step_run("train", {"epochs": 3}) as step:
        for epoch, loss in enumerate(CURVE, 1):
            with locked() if epoch - 1 in away else contextlib.nullcontext():
                step.epoch(epoch, {"loss": loss})
        with locked() if len(CURVE) in away else contextlib.nullcontext():
            step.measures({"loss": 0.125, "size": 7, "odd": float("nan")})
    (child,) = children(parent)
    assert is_whole(child)
    assert outbox_journal.paths(folder) == []


def test_the_pause_between_tries_grows(parent: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.tracking.outbox.WAITS_S", (5.0, 10.0, 20.0, 40.0, 60.0))
    now = [100.0]
    monkeypatch.setattr("darkroom.tracking.outbox.time.monotonic", lambda: now[0])
    box, tries = outbox.current(), []
    monkeypatch.setattr("darkroom.tracking.outbox._deliver", lambda file, result: tries.append(now[0]))
    with locked():
        box.send({"kind": "tags", "run": parent, "parent": parent, "values": {"colour": "blue"}})
        for _ in range(250):
            now[0] += 1
            box.send({"kind": "tags", "run": parent, "parent": parent, "values": {"colour": "red"}})
    assert tries == [105, 115, 135, 175, 235, 295]


def test_the_error_of_a_step_is_not_masked(parent: str, folder: Path) -> None:
    with locked(), pytest.raises(ZeroDivisionError), step_run("train", {}):
        _ = 1 / 0
    outbox.current().flush()
    (child,) = children(parent)
    assert (child.info.status, child.data.tags["darkroom.error"]) == ("FAILED", "ZeroDivisionError: division by zero")


def test_a_run_ends_though_mlflow_is_away_and_mlflow_learns_when_and_why(parent: str, folder: Path) -> None:
    left = step_run("train", {})
    left.__enter__()
    with locked():
        finish_run(parent, "FAILED", "out of memory at https://anna:hidden-4711@example.org")
    assert "hidden-4711" not in outbox_journal.paths(folder)[0].read_text()
    before = client().get_run(parent)
    outbox.current().flush()
    after = client().get_run(parent)
    assert (before.info.status, after.info.status) == ("RUNNING", "FAILED")
    assert after.data.tags["darkroom.error"].startswith("out of memory at https://")
    assert [child.info.status for child in children(parent)] == ["FAILED"]


def test_what_is_delivered_again_changes_nothing(parent: str, folder: Path, tmp_path: Path) -> None:
    with locked():
        train()
    (path,) = outbox_journal.paths(folder)
    shutil.copy(path, tmp_path / "again.jsonl")
    outbox.current().flush()
    for _ in range(2):
        shutil.copy(tmp_path / "again.jsonl", folder / "again.jsonl")
        assert deliver_left(folder).sent == {parent: 7}
        (child,) = children(parent)
        assert is_whole(child)
    assert outbox_journal.paths(folder) == []


def test_what_a_killed_process_left_is_delivered_and_its_step_ended(parent: str, folder: Path) -> None:
    processes = multiprocessing.get_context("fork")
    said = processes.Event()

    def doomed() -> None:
        with step_run("train", {"epochs": 3}) as step:
            for epoch, loss in enumerate(CURVE, 1):
                step.epoch(epoch, {"loss": loss})
            said.set()
            time.sleep(600)

    with locked():
        process = processes.Process(target=doomed)
        process.start()
        assert said.wait(60)
        alive = deliver_left(folder)
        told = sync()[1]
        process.kill()
        process.join()
    (path,) = outbox_journal.paths(folder)
    assert (alive.sent, alive.pending, alive.living) == ({}, {}, {str(path): 5})
    assert alive.notes() == []
    assert told == [f"5 entries wait in {path}: the process that they are of lives, and delivers them itself"]
    with path.open("a") as file:
        file.write('{"kind": "metrics", "st')  # what a kill in the middle of writing leaves
    assert deliver_left(folder).sent == {parent: 6}
    (child,) = children(parent)
    assert (child.info.status, curve(child.info.run_id)) == ("KILLED", list(enumerate(CURVE, 1)))
    assert outbox_journal.paths(folder) == []
    assert deliver_left(folder).notes() == []


def test_delivery_that_is_broken_off_goes_on_from_where_it_was(parent: str, folder: Path) -> None:
    with locked():
        train()
    (path,) = outbox_journal.paths(folder)
    entries = outbox_journal.pending_entries(path)
    file = outbox.current().journal
    assert file is not None
    for entry in entries[:3]:
        deliver(entry, file.made, again=True)
    file.done(3)
    copied = folder / "left.jsonl"
    shutil.copy(path, copied)
    assert outbox_journal.pending_entries(copied) == entries[3:]
    assert deliver_left(folder).sent == {parent: 4}
    (child,) = children(parent)
    assert is_whole(child)


def test_an_entry_that_mlflow_refuses_is_set_aside_and_not_in_the_way(parent: str, folder: Path) -> None:
    doomed = start_run("digits", "doomed", {}, {}, "digits", "1")
    file = outbox_journal.create(folder, outbox.shown(tracking_uri()), {})
    told = {"kind": "tags", "values": {"colour": "blue"}}
    file.append({**told, "run": doomed, "parent": doomed}, {**told, "run": parent, "parent": parent})
    path = file.path
    shutil.copy(path, folder / "left.jsonl")
    path.unlink()
    with (folder / "left.jsonl").open("a") as text:
        text.write("what is this?\n")
    client().delete_run(doomed)
    result = deliver_left(folder)
    aside = folder / "left.refused"
    assert (result.sent, result.pending, list(result.refused)) == ({parent: 1}, {}, [str(aside)])
    assert client().get_run(parent).data.tags["colour"] == "blue"
    first, second = (json.loads(line) for line in aside.read_text().splitlines())
    assert first["entry"]["run"] == doomed and "deleted" in first["why"]
    assert second["entry"]["text"] == "what is this?"
    assert [path.name for path in folder.iterdir()] == ["left.refused"]
    assert f"2 entries were refused by MLflow (LookupError: the line can't be read) and are kept in {aside}" in result.notes()


def test_words_for_another_store_are_left_alone(parent: str, folder: Path) -> None:
    outbox_journal.create(folder, "http://example.org", {}).append({"kind": "tags", "run": "x", "parent": "x", "values": {}})
    shutil.move(outbox_journal.paths(folder)[0], folder / "a.jsonl")
    shutil.copy(folder / "a.jsonl", folder / "left.jsonl")
    (folder / "a.jsonl").unlink()
    result = deliver_left(folder)
    assert result.pending == {str(folder / "left.jsonl"): 1}
    assert result.notes()[0].endswith(f"they are for the MLflow store at http://example.org, and this is {tracking_uri()}")


def test_other_errors_are_raised(parent: str, folder: Path) -> None:
    from mlflow.exceptions import MlflowException

    with step_run("train", {}) as step:
        client().delete_run(step.run_id)
        with pytest.raises(MlflowException, match="deleted"):
            step.epoch(1, {"loss": 0.5})
        client().restore_run(step.run_id)
    assert not folder.exists()


def test_a_run_that_a_hanging_server_made_late_is_taken_away(parent: str, folder: Path) -> None:
    with locked():
        train()
    first = outbox_journal.pending_entries(outbox_journal.paths(folder)[0])[0]
    outbox.current().flush()
    deliver(first, {}, again=False)  # the same request, done once more
    assert len(children(parent)) == 2
    finish_run(parent, "FINISHED")
    (child,) = children(parent)
    assert is_whole(child) and child.data.tags[STEP_KEY] == first["key"]


def test_runs_of_dead_processes_end_as_they_said(parent: str, folder: Path) -> None:
    """Who looks at the runs before the words of a dead process arrive ends them as killed; the words set that right."""
    with locked():
        finish_run(parent, "FINISHED")
    client().set_tag(parent, "darkroom.pid", "4194304")
    assert end_dead_runs() == [parent]
    assert client().get_run(parent).info.status == "KILLED"
    outbox.current().flush()
    assert client().get_run(parent).info.status == "FINISHED"


@pytest.fixture
def nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a port where nobody listens."""
    uri = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    monkeypatch.setenv(KNOWN_PARENT, f"1/{'f' * 32}")
    return uri


def test_a_step_begins_and_ends_where_nobody_listens(nobody: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train() == ""
    (path,) = outbox_journal.paths(folder)
    assert [entry["kind"] for entry in outbox_journal.pending_entries(path)] == [
        "create",
        "params",
        "metrics",
        "metrics",
        "metrics",
        "metrics",
        "end",
    ]
    sentence = f"note: MLflow at {nobody} can't be reached (the connection is refused): what is logged waits in {path}\n"
    assert sentence in capsys.readouterr().err


def test_what_needs_mlflow_waits_for_it_and_says_so(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.tracking.outbox.WAITS_S", (0.05,))
    monkeypatch.setenv(MLFLOW_PATIENCE_S, "0.2")
    with pytest.raises(AwayError, match=f"the MLflow store at {nobody} has not answered for 0.2 s \\(the connection is refused\\)"):
        wait_for_store()
    with pytest.raises(AwayError), open_run("digits", {}, "1"):
        pass


@pytest.fixture
def answering(nobody: str) -> Iterator[list[tuple[int, str]]]:
    """A server that answers every request alike: status and body."""
    answers = [(200, "{}")]

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = answers[0]
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", int(nobody.rsplit(":", 1)[1])), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield answers
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "away"),
    [
        (500, "oh", True),
        (502, "<html>", True),
        (503, '{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "m"}', True),
        (429, "slow down", True),
        (401, "who are you", True),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "m"}', True),
        (400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "m"}', False),
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "m"}', False),
    ],
)
def test_what_later_may_go_well_is_told_from_what_never_will(answering: list[tuple[int, str]], status: int, body: str, away: bool) -> None:
    answering[0] = (status, body)
    with pytest.raises(Exception) as caught:
        deliver({"kind": "tags", "run": "f" * 32, "parent": "", "values": {"a": "b"}}, {}, again=False)
    assert is_away(caught.value) is away


LEAVES = """
import sys
from darkroom.tracking.step_run import step_run
with step_run("clean", {"min_side_px": 4}) as step:
    step.measures({"num_kept": 3})
print("mlflow" in sys.modules)
"""


def test_a_step_that_has_an_owner_leaves_its_words_to_it_without_mlflow(parent: str, folder: Path) -> None:
    environment = {**os.environ, OWNER: STDIN}
    done = subprocess.run([sys.executable, "-c", LEAVES], env=environment, check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
    assert children(parent) == []
    assert deliver_left(folder).sent == {parent: 4}
    (child,) = children(parent)
    assert (child.info.run_name, child.info.status, child.data.metrics) == ("clean", "FINISHED", {"num_kept": 3.0})
    assert child.data.params == {"clean.min_side_px": "4"}
    assert list(folder.iterdir()) == []


def test_a_step_with_curves_shows_them_while_it_runs(parent: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWNER, STDIN)
    with step_run("train", {}) as step:
        assert children(parent) == []
        step.epoch(1, {"loss": 0.5})
        assert curve(step.run_id) == [(1, 0.5)]
    (child,) = children(parent)
    assert child.info.status == "FINISHED"
    assert list(folder.iterdir()) == []


def test_the_process_that_runs_the_pipeline_has_no_owner(parent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWNER, json.dumps(owner_tags()))
    with step_run("clean", {}):
        assert len(children(parent)) == 1


def test_a_journal_that_version_0_1_0_left_is_delivered(parent: str, folder: Path) -> None:
    """The lines are spelled here as that version writes them: a child run that is made already, and one that has no end."""
    experiment = client().get_run(parent).info.experiment_id
    made = client().create_run(experiment, run_name="clean", tags={"mlflow.parentRunId": parent, "darkroom.step_key": "a" * 32})
    one, two = ({"key": key * 32, "experiment": experiment, "parent": parent} for key in "ab")
    tags = {"mlflow.parentRunId": parent, "darkroom.step": "train", "mlflow.source.name": "darkroom"}
    lines = [
        {"delivered": 0, "made": {}, "store": tracking_uri()},
        {**one, "kind": "create", "name": "clean", "tags": {}, "time": 1},
        {**one, "kind": "metrics", "step": 0, "values": {"num_kept": 3.0}, "time": 2},
        {"delivered": 1, "made": {"a" * 32: made.info.run_id}, "store": tracking_uri()},
        {**one, "kind": "end", "status": "FINISHED", "time": 3},
        {**two, "kind": "create", "name": "train", "tags": tags, "time": 4},
        {"run": parent, "parent": parent, "kind": "finish", "status": "FAILED", "tags": {"darkroom.error": "no"}, "time": 5},
    ]
    folder.mkdir()
    (folder / "20260101-000000-4711-abcdef.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert deliver_left(folder).sent == {parent: 5}
    found = {child.info.run_name: child for child in children(parent)}
    assert (found["clean"].info.status, found["clean"].data.metrics) == ("FINISHED", {"num_kept": 3.0})
    assert (found["train"].info.status, client().get_run(parent).data.tags["darkroom.error"]) == ("KILLED", "no")
    assert list(folder.iterdir()) == []
