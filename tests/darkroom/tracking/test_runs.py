"""Runs and steps in a real MLflow store on SQLite."""

import json
import math
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from darkroom.system.errors import InputError
from darkroom.system.processes import is_dead, owner_tags
from darkroom.tracking.client import server_version, store_errors_as_input_errors
from darkroom.tracking.log import log_curves
from darkroom.tracking.pages import newest_table, version_page
from darkroom.tracking.runs import client, end_dead_runs, finish_run, open_run, start_run, tracking_uri, use_store
from darkroom.tracking.step_run import log_cached_step, step_run
from darkroom.tuned import Trial
from tests import forks

VERSION = "0123456789abcdef0123456789abcdef.dir"


def start(params: dict[str, dict[str, Any]] | None = None) -> str:
    return start_run("digits", "first", params or {"train": {"epochs": 3}}, {"colour": "blue"}, "/data/digits", VERSION)


def children(parent: str) -> dict[str, Any]:
    run = client().get_run(parent)
    found = client().search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{parent}'")
    return {child.info.run_name: child for child in found}


def test_the_store_is_a_file_of_the_current_folder_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_new_store_is_made_whole_and_quietly(migrated_store: Path) -> None:
    said = migrated_store.parents[1]
    assert (said / "made.err").read_text() == ""
    assert (said / "made.out").read_text() == f"sqlite:///{migrated_store}\n"
    assert [path.name for path in migrated_store.parent.iterdir()] == ["mlflow.db"]


def test_a_run_carries_settings_data_and_code(mlflow_store: Path) -> None:
    run_id = start({"train": {"epochs": 3, "schedule": "cosine", "mixed": True, "steps": [1, 2]}, "split": {"seed": 0}})
    run = client().get_run(run_id)
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "first"
    assert run.data.params == {
        "train.epochs": "3",
        "train.schedule": "cosine",
        "train.mixed": "true",
        "train.steps": "[1, 2]",
        "split.seed": "0",
    }
    assert run.data.tags["darkroom.data_version"] == VERSION
    assert run.data.tags["darkroom.pid"] == str(os.getpid())
    assert run.data.tags["colour"] == "blue"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest, data.dataset.source) == ("digits", VERSION, '{"uri": "/data/digits"}')
    experiment = client().get_experiment_by_name("digits")
    assert experiment is not None
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert experiment.artifact_location == (mlflow_store / "mlartifacts").as_uri()


def test_the_newest_experiment_s_table_is_opened_with_its_measures(mlflow_store: Path) -> None:
    assert newest_table("http://here:5000/") == "http://here:5000/#/experiments?workflowType=machine_learning"
    start()
    start_run("letters", "first", {}, {}, "/data/letters", VERSION)
    experiment = client().get_experiment_by_name("letters")
    assert experiment is not None
    page = f"http://here:5000/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=darkroom&workflowType=machine_learning"
    assert newest_table("http://here:5000/") == page
    assert "metrics.`f1_macro`" in json.loads(experiment.tags["mlflow.sharedViewState.darkroom"])["selectedColumns"]


def test_many_and_long_settings_are_logged(mlflow_store: Path) -> None:
    run_id = start({"train": {f"setting_{number}": "x" * 7000 for number in range(205)}})
    values = client().get_run(run_id).data.params
    assert len(values) == 205
    assert set(values.values()) == {"x" * 6000}


def test_git_names_the_code(mlflow_store: Path) -> None:
    root = Path(__file__).parents[3]
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        pytest.skip("the project is not in a git repository")
    tags = client().get_run(start()).data.tags
    assert tags["mlflow.source.git.commit"] == head.stdout.strip()
    assert tags["darkroom.git_dirty"] in ("true", "false")


def test_a_step_is_a_child_with_its_curve(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = start()
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    with step_run("train", {"epochs": 2}) as step:
        step.epoch(1, {"train_loss": 0.5})
        step.epoch(2, {"train_loss": 0.25})
        step.measures({"best_epoch": 2})
        assert children(parent)["train"].info.status == "RUNNING"
    child = children(parent)["train"]
    assert child.info.status == "FINISHED"
    assert child.info.run_id == step.run_id
    assert child.data.params == {"train.epochs": "2"}
    assert child.data.metrics == {"train/loss": 0.25, "best_epoch": 2.0}
    assert [(point.step, point.value) for point in client().get_metric_history(step.run_id, "train/loss")] == [(1, 0.5), (2, 0.25)]


def test_a_trial_of_a_search_is_a_child_of_its_own(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = start()
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    with step_run("tune", {}) as step:
        step.trial(Trial(3, "complete", {"train.dropout": 0.2}, 0.75, 2), [{"train_loss": 0.5}, {"train_loss": math.inf}])
        step.trial(Trial(4, "failed", {"train.dropout": 0.9}, reason="too much"), [])
    made = children(parent)
    assert {name: child.info.status for name, child in made.items()} == {"tune": "FINISHED", "trial 3": "FINISHED", "trial 4": "FAILED"}
    complete, failed = made["trial 3"].data, made["trial 4"].data
    assert (complete.params, complete.metrics["score"]) == ({"train.dropout": "0.2"}, 0.75)
    assert len(client().get_metric_history(made["trial 3"].info.run_id, "train/loss")) == 2
    assert (complete.tags["darkroom.trial"], complete.tags["darkroom.trial_state"]) == ("3", "complete")
    assert (failed.tags["darkroom.trial_state"], failed.tags["darkroom.trial_reason"]) == ("failed", "too much")
    assert "darkroom.error" not in failed.tags  # the run has not failed


def test_a_step_that_fails_says_why(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = start()
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    with pytest.raises(ZeroDivisionError), step_run("train", {}):
        _ = 1 / 0
    child = children(parent)["train"]
    assert child.info.status == "FAILED"
    assert child.data.tags["darkroom.error"] == "ZeroDivisionError: division by zero"


def test_without_a_run_a_step_logs_nothing(mlflow_store: Path) -> None:
    before = (mlflow_store / "mlflow.db").read_bytes()
    with step_run("train", {"epochs": 2}) as step:
        step.epoch(1, {"train_loss": 0.5})
        step.measures({"best_epoch": 1})
    assert step.run_id == ""
    assert (mlflow_store / "mlflow.db").read_bytes() == before


def test_a_step_from_the_cache_is_marked(mlflow_store: Path) -> None:
    parent = start()
    log_cached_step(parent, "clean", {"min_side_px": 8}, {"dropped": 26})
    child = children(parent)["clean"]
    assert child.data.tags["darkroom.cached"] == "true"
    assert (child.info.status, child.data.metrics) == ("FINISHED", {"dropped": 26.0})


def test_curves_of_any_length_are_logged(mlflow_store: Path) -> None:
    run_id = start()
    log_curves(run_id, [(epoch, {"a": epoch / 2, "b": 1.0}) for epoch in range(600)])
    assert [point.value for point in client().get_metric_history(run_id, "a")] == [epoch / 2 for epoch in range(600)]


def test_a_finished_run_has_no_running_child(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = start()
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    left = step_run("train", {})
    left.__enter__()
    finish_run(parent, "FAILED", "train: out of memory")
    run = client().get_run(parent)
    assert (run.info.status, run.data.tags["darkroom.error"]) == ("FAILED", "train: out of memory")
    assert children(parent)["train"].info.status == "FAILED"


def test_a_run_whose_process_was_killed_is_ended(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def begin() -> str:
        run_id = start()
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        steps.append(step_run("train", {}))
        steps[0].__enter__()
        return run_id

    with forks.doomed(begin) as doomed:
        mine = start()
        assert end_dead_runs() == []
    assert end_dead_runs() == [doomed]
    assert client().get_run(doomed).info.status == "KILLED"
    assert children(doomed)["train"].info.status == "KILLED"
    assert client().get_run(mine).info.status == "RUNNING"
    assert end_dead_runs() == []


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({}, False),
        ({"darkroom.host": "another"}, False),
        ({"darkroom.pid_space": "pid:[1]"}, False),
        ({"darkroom.process_started": "1.0"}, True),
        ({"darkroom.boot": "an earlier one"}, True),
        ({"darkroom.pid": "4194304"}, True),
    ],
)
def test_only_what_is_known_to_be_gone_is_dead(change: dict[str, str], dead: bool) -> None:
    assert is_dead({**owner_tags(), **change}) is dead


def test_a_step_that_began_when_its_run_had_been_ended_is_ended_too(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = start()
    finish_run(run_id, "KILLED")
    late = client().create_run(client().get_run(run_id).info.experiment_id, tags={"mlflow.parentRunId": run_id, "darkroom.step": "train"})
    assert client().get_run(late.info.run_id).info.status == "RUNNING"
    assert end_dead_runs() == []
    assert client().get_run(late.info.run_id).info.status == "KILLED"
    assert client().get_run(run_id).info.status == "KILLED"


def test_a_stranger_s_run_is_never_ended(mlflow_store: Path) -> None:
    store = client()
    stranger = store.create_run(store.create_experiment("other")).info.run_id
    assert end_dead_runs() == []
    assert store.get_run(stranger).info.status == "RUNNING"


def test_a_run_is_opened_where_none_is_given(mlflow_store: Path) -> None:
    with open_run("digits", {"train": {"epochs": 3}}, VERSION) as run_id:
        assert client().get_run(run_id).info.status == "RUNNING"
    run = client().get_run(run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"train.epochs": "3"})
    with pytest.raises(ZeroDivisionError), open_run("digits", {}, VERSION) as failed:
        _ = 1 / 0
    assert client().get_run(failed).info.status == "FAILED"


def test_a_run_that_kubeflow_started_gets_its_settings_and_goes_on(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = client()
    given = store.create_run(store.create_experiment("kubeflow", (mlflow_store / "kept").as_uri())).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    with open_run("digits", {"train": {"epochs": 3}}, VERSION) as run_id:
        assert run_id == given
    run = store.get_run(given)
    assert (run.info.status, run.data.params) == ("RUNNING", {"train.epochs": "3"})
    assert run.data.tags["darkroom.data_version"] == VERSION


def test_a_server_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setattr("darkroom.tracking.client._BACKOFF_S", 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    with pytest.raises(InputError, match=rf"no MLflow server answers at MLFLOW_TRACKING_URI=http://127.0.0.1:{port} .*refused") as caught:
        use_store()
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.db").write_text("not a database at all")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(InputError, match=r"the MLflow store at sqlite:.* can't be used: .*not a database"):
        use_store()


def test_an_unknown_kind_of_address_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://somewhere")
    with pytest.raises(InputError, match="the MLflow store at ftp://somewhere can't be used: "):
        use_store()


@pytest.fixture
def behind_tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of its own, which answers as MLflow's says its health and version: address, certificate."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl, which makes the certificate")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        *names,
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(command, check=True, capture_output=True)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"3.17.2" if self.path == "/version" else b"OK")

        def log_message(self, *words: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}", certificate
        server.shutdown()


def test_a_certificate_of_ones_own_is_trusted_where_mlflow_trusts_it(behind_tls: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    uri, certificate = behind_tls
    monkeypatch.setattr("darkroom.tracking.client._BACKOFF_S", 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InputError, match=r"no MLflow server answers at .*CERTIFICATE_VERIFY_FAILED"):
        server_version()
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
    assert server_version() == "3.17.2"


@pytest.mark.parametrize(
    ("status", "given", "sentence"),
    [
        (401, {"MLFLOW_TRACKING_USERNAME": "anna"}, "refuses the user 'anna' with this password (401): correct MLFLOW_TRACKING_USERN"),
        (401, {"MLFLOW_TRACKING_TOKEN": "t0ken"}, "refuses the token (401): correct"),
        (401, {}, "refuses a client without credentials (401): correct"),
        (403, {"MLFLOW_TRACKING_USERNAME": "anna"}, "does not allow this to anna: ask its administrator for the permission"),
    ],
)
def test_a_refusal_is_one_sentence_that_says_of_whom(
    status: int, given: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@example.org")
    for name in ("USERNAME", "PASSWORD", "TOKEN", "AUTH"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    code = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}[status]
    with pytest.raises(InputError) as caught, store_errors_as_input_errors():
        raise MlflowException("t0ken secret", error_code=ErrorCode.Value(code))
    assert str(caught.value).startswith(f"the MLflow server at http://example.org {sentence}")
    assert "secret" not in str(caught.value) and "t0ken" not in str(caught.value)


def test_a_version_s_page_is_an_address_without_credentials(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_page("red shoes", 3) == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/mlflow/")
    assert version_page("red shoes", 3) == "https://example.org/mlflow/#/models/red%20shoes/versions/3?workflowType=machine_learning"
