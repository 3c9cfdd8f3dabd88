"""Runs on Kubeflow over real HTTP: uploaded, started, followed to their end, and every way in which that fails."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from components import STEPS
from darkroom.registry.fetch import previous_reference
from darkroom.runtime.step import call
from darkroom.system.errors import InputError
from darkroom.tracking.runs import client, start_run
from darkroom.tracking.step_run import step_run
from darkroom.tracking.tags import KUBEFLOW_COOKIES, KUBEFLOW_RUN, KUBEFLOW_TOKEN
from pipelines.params import read_settings
from pipelines.plan import Plan
from pipelines.platform import PlatformConfig, read_platform
from pipelines.progress import Progress
from pipelines.run.failures import StepFailedError, StepInputError
from pipelines.submit import command as commands
from pipelines.submit import kubeflow_client as clusters
from pipelines.submit.compile import compile_pipeline
from pipelines.submit.follow import check_cluster_source, follow, submit, write_outcome
from pipelines.submit.kubeflow_client import Cluster
from pipelines.training import TASKS
from tests.finished import make
from tests.pipelines.conftest import ON, ROOT
from tests.pipelines.kfp_server import Server, serving
from tests.pipelines.run.test_local import Recorder

IMAGE = "registry.example.org/darkroom@sha256:" + "0a" * 32
ADDRESS = "git+https://git.example.org/team/toys.git@v1#data"
SHOWN = tuple(task for task in TASKS if task in ON)
DONE = dict.fromkeys(TASKS, "SUCCEEDED")


class Listener(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def compiled() -> dict[str, bytes]:
    """What was compiled before, by all that it was compiled from but the server's address."""
    return {}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: dict[str, bytes]) -> None:
    """A folder and an environment of their own, no waiting, and equal pipelines compiled once."""

    def compile_once(path: Path, platform: PlatformConfig, arguments: dict[str, Any], **options: Any) -> None:
        key = repr((platform.model_copy(update={"endpoint": ""}), arguments, options))
        if key not in compiled:
            compile_pipeline(path, platform, arguments, **options)
            compiled[key] = path.read_bytes()
        path.write_bytes(compiled[key])

    monkeypatch.setattr("pipelines.submit.follow.compile_pipeline", compile_once)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "KF_", "DARKROOM_"))]:
        monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(clusters, "_WAITS_S", (0.01, 0.01, 0.01, 0.0))
    monkeypatch.setattr("pipelines.submit.follow.POLL_S", 0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as served:
        yield served


def platform_of(server: Server, **settings: Any) -> PlatformConfig:
    return read_platform({"image": IMAGE, "endpoint": server.url, "namespace": "team", **settings})


def plan_of(server: Server, *sets: str, **settings: Any) -> Plan:
    params, _ = read_settings(sets, ROOT / "params.yaml")
    return Plan(Path(ADDRESS), "a" * 32 + ".dir", "toys", params, platform_of(server, **settings))


def start(server: Server, *sets: str, **settings: Any) -> tuple[str, Cluster, Listener]:
    plan, view = plan_of(server, *sets, **settings), Listener()
    cluster = Cluster(plan.platform)
    return submit(plan, cluster, view), cluster, view


def test_a_run_is_uploaded_started_and_followed_to_its_end(server: Server) -> None:
    half = {**dict.fromkeys(TASKS[:5], "SUCCEEDED"), "ingest": "SKIPPED", "evaluate": "RUNNING", "prune": "RUNNING"}
    server.frames = [("PENDING", {}, ""), ("RUNNING", {"ingest": "RUNNING"}, ""), ("RUNNING", half, "")]
    server.frames += [("SUCCEEDED", {**DONE, "ingest": "SKIPPED"}, "")]
    run_id, cluster, view = start(server, "train.epochs=7")
    followed = follow(run_id, cluster, view, poll_s=0.01)
    assert list(followed.steps) == list(SHOWN)
    assert followed.steps["ingest"] == {"seconds": 90.0, "cached": True}
    assert followed.steps["train"] == {"seconds": 90.0, "cached": False}
    assert [event[1:] for event in view.events if event[0] == "finished"][:2] == [("ingest", "cached"), ("embed", "ran")]
    assert ("progressed", "evaluate", "at the same time: prune") in view.events
    run = server.runs[run_id]
    parameters = run.runtime_config.parameters
    assert (parameters["data"], parameters["data_version"], parameters["name"]) == (ADDRESS, "a" * 32 + ".dir", "toys")
    assert parameters["train"]["epochs"] == 7
    assert set(parameters) == {
        "data",
        "data_version",
        "name",
        "previous",
        "params",
        *STEPS,
        "verdicts",
        "verdicts_version",
        "ingest_evaluation",
        "evaluation_data",
        "evaluation_version",
        "ingest_unlabelled",
        "unlabelled_data",
        "unlabelled_version",
        "network",
        "floor_measure",
    }
    assert run.experiment_id == server.experiments["toys"]
    assert server.uploads[-1]["pipelineInfo"]["name"] == "darkroom-training"
    assert view.notes[-1] == f"run {run_id}: {server.url}/#/runs/details/{run_id}"


@pytest.mark.slow
def test_an_unchanged_pipeline_is_uploaded_once(server: Server) -> None:
    first, second = start(server)[0], start(server)[0]
    assert (len(server.versions), first == second) == (1, False)
    start(server, num_retries=5)
    assert len(server.versions) == 2
    (name, _) = next(iter(server.versions.items()))
    assert re.fullmatch(r"darkroom-[0-9a-f]{12}", name)


def test_without_the_cache_every_step_says_so(server: Server) -> None:
    plan = plan_of(server)
    submit(plan, Cluster(plan.platform), Listener(), caching=False)
    tasks = server.uploads[-1]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert {task["taskInfo"]["name"]: task["cachingOptions"] for task in tasks.values() if task["cachingOptions"]} == {}


@pytest.mark.parametrize("variable", [KUBEFLOW_TOKEN, KUBEFLOW_COOKIES, "KF_PIPELINES_SA_TOKEN_PATH"])
def test_credentials_come_from_the_environment(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    (tmp_path / "token").write_text("sesame")
    monkeypatch.setenv(
        variable, {KUBEFLOW_TOKEN: "sesame", KUBEFLOW_COOKIES: "authservice_session=sesame"}.get(variable, str(tmp_path / "token"))
    )
    Cluster(platform_of(server)).experiment("toys", create=True)
    header, value = ("Cookie", "authservice_session=sesame") if variable == KUBEFLOW_COOKIES else ("authorization", "Bearer sesame")
    assert {headers.get(header) for headers in server.headers} == {value}


def test_wrong_credentials_are_one_sentence(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.token = "sesame"
    monkeypatch.setenv(KUBEFLOW_TOKEN, "hunter2")
    with pytest.raises(InputError, match=r"refuses the credentials \(401: Request header error.*\): set DARKROOM_KUBEFLOW_TOKEN") as caught:
        start(server)
    assert "hunter2" not in str(caught.value)
    assert len(server.requests) == 1


def test_nobody_at_the_address_is_one_sentence() -> None:
    platform = read_platform({"image": IMAGE, "endpoint": "http://127.0.0.1:1", "namespace": "team"})
    with pytest.raises(InputError, match=r"Kubeflow at http://127\.0\.0\.1:1 can't be reached \(.*refused\): correct platform\.endpoint"):
        Cluster(platform).run("run-0")
    with pytest.raises(InputError, match=r"platform\.endpoint is empty: give the address"):
        Cluster(read_platform({}))


@pytest.mark.slow
def test_an_error_of_the_server_is_asked_again_and_starts_no_second_run(server: Server) -> None:
    server.faults = {"GET /apis/v2beta1/experiments": [500, 503], "POST /apis/v2beta1/runs": [500], "GET /apis/v2beta1/runs/": [502]}
    server.frames = [("SUCCEEDED", DONE, "")]
    run_id, cluster, view = start(server)
    assert set(follow(run_id, cluster, view, poll_s=0.01).steps) == set(SHOWN)
    assert len(server.runs) == 1


def test_an_error_that_stays_is_one_sentence(server: Server) -> None:
    server.faults = {"GET /apis/v2beta1/experiments": [500] * 9}
    with pytest.raises(InputError, match=r"answers 500 \(the database is starting\): look at the log of its API server"):
        start(server)
    assert len(server.requests) == 4


def test_a_run_whose_answer_got_lost_is_found_and_not_started_twice(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Server._start
    lost = [True]

    def lose_once(self: Server, body: bytes) -> Any:
        made = starts(self, body)
        if lost and lost.pop():
            raise ConnectionResetError("the answer got lost")
        return made

    monkeypatch.setattr(Server, "_start", lose_once)
    monkeypatch.setattr("http.server.ThreadingHTTPServer.handle_error", lambda *_: None)
    run_id, _, _ = start(server)
    assert list(server.runs) == [run_id]


@pytest.mark.slow
def test_an_experiment_that_is_named_must_exist(server: Server) -> None:
    with pytest.raises(InputError, match=r"no experiment 'tyops' \(platform\.experiment\), known are: Default; make it there"):
        start(server, experiment="tyops")
    assert server.runs == {}
    start(server, experiment="Default")
    assert list(server.experiments) == ["Default"]


def test_a_run_that_is_not_known_is_one_sentence(server: Server) -> None:
    with pytest.raises(InputError, match=r"refuses the request \(404\): not found"):
        follow("run-9", Cluster(platform_of(server)), Listener(), poll_s=0.01)


def test_a_failed_run_names_the_step_and_its_error(server: Server) -> None:
    failed = {"ingest": "SUCCEEDED", "clean": "FAILED"}
    server.frames = [("RUNNING", {**failed, "clean": "RUNNING"}, ""), ("RUNNING", failed, "the first try failed")]
    server.frames += [("FAILED", failed, "OOMKilled\n(exit code 137)")]
    run_id, cluster, view = start(server)
    with pytest.raises(StepFailedError) as caught:
        follow(run_id, cluster, view, poll_s=0.01)
    assert str(caught.value) == f"clean failed: OOMKilled (exit code 137) (log: {server.url}/#/runs/details/{run_id})"
    assert view.events.count(("failed", "clean")) == 1


@pytest.mark.parametrize(("kind", "caught"), [("ZeroDivisionError", StepFailedError), ("InputError", StepInputError)])
def test_a_failed_step_is_told_as_it_told_mlflow(
    server: Server, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch, kind: str, caught: type[Exception]
) -> None:
    server.frames = [("FAILED", {"clean": "FAILED"}, "main: Error (exit code 1)")]
    run_id, cluster, view = start(server)
    monkeypatch.setenv(KUBEFLOW_RUN, run_id)
    error = {"ZeroDivisionError": ZeroDivisionError, "InputError": InputError}[kind]
    with pytest.raises(error), step_run("clean", {}):
        raise error("the count is 0: give at least 1")
    with pytest.raises(caught, match=r"the count is 0: give at least 1") as told:
        follow(run_id, cluster, view, poll_s=0.01)
    assert (told.value.step, view.events[-1]) == ("clean", ("failed", "clean"))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("state", "reason"), [("FAILED", "the workflow has failed"), ("CANCELED", "it was cancelled")])
def test_a_run_that_ends_badly_outside_its_steps_says_why(server: Server, state: str, reason: str) -> None:
    server.frames = [(state, {}, "")]
    run_id, cluster, view = start(server)
    with pytest.raises(StepFailedError, match=f"run failed: {reason}"):
        follow(run_id, cluster, view, poll_s=0.01)


def test_the_view_shows_one_step_at_a_time(server: Server) -> None:
    both = {"evaluate": "RUNNING", "prune": "RUNNING"}
    server.frames = [("RUNNING", both, ""), ("RUNNING", {**both, "prune": "SUCCEEDED"}, ""), ("SUCCEEDED", DONE, "")]
    run_id, cluster, _ = start(server)
    followed = follow(run_id, cluster, Progress(), poll_s=0.01)  # rich refuses two lines that live at once
    assert set(followed.steps) == set(SHOWN)


def test_a_self_signed_certificate_is_named_in_the_settings(tmp_path: Path) -> None:
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*words.split(), "-keyout", "key.pem", "-out", "ca.pem"], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "both.pem").write_text((tmp_path / "key.pem").read_text() + (tmp_path / "ca.pem").read_text())
    with serving(Server(), tmp_path / "both.pem") as server:
        assert Cluster(platform_of(server, ca_file=str(tmp_path / "ca.pem"))).experiment("toys", create=True) == "exp-1"
        with pytest.raises(InputError, match=r"CERTIFICATE_VERIFY_FAILED.*name the certificate of the authority"):
            Cluster(platform_of(server)).experiment("toys", create=True)
        with pytest.raises(InputError, match=r"platform\.ca_file is 'missing\.pem': there is no such file"):
            Cluster(platform_of(server, ca_file="missing.pem"))


@pytest.mark.parametrize("data", [None, Path("photos")])
def test_data_of_this_machine_is_refused(data: Path | None) -> None:
    with pytest.raises(InputError, match=r"a cluster can't read .* on this machine: give a data version, for example --data git\+ADDRESS"):
        check_cluster_source(data)


def test_without_a_shared_mlflow_the_outcome_is_on_kubeflows_page(server: Server) -> None:
    server.frames = [("SUCCEEDED", DONE, "")]
    run_id, cluster, view = start(server)
    outcome = write_outcome(run_id, follow(run_id, cluster, view, poll_s=0.01), cluster, view)
    assert (outcome["kubeflow_run_id"], outcome["report"]) == (run_id, cluster.page(run_id))
    assert (outcome["experiment"], outcome["data_version"], outcome["model"]) == ("toys", "a" * 32 + ".dir", {})
    assert any("MLFLOW_TRACKING_URI names no server" in note for note in view.notes)
    assert json.loads(Path("runs", run_id, "outcome.json").read_text()) == outcome


@pytest.mark.slow
def test_the_command_ends_as_a_run_on_this_machine_does(
    server: Server, tmp_path: Path, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.frames = [("SUCCEEDED", DONE, "")]
    first = register_on("run-0", tmp_path, monkeypatch)
    reference = previous_reference("toys", "b" * 32)
    assert reference == f"runs:/{first}/split/splits.parquet"
    plan = replace(plan_of(server), version="b" * 32)
    run_id = submit(plan, Cluster(plan.platform), Listener())
    assert server.runs[run_id].runtime_config.parameters["previous"] == reference
    sets = [f"platform.endpoint={server.url}", "platform.namespace=team"]
    commands.submit(None, sets, attach=run_id, as_json=True, params=ROOT / "params.yaml")
    printed = capsys.readouterr()
    outcome = json.loads(printed.out.strip().split("\n")[-1])
    assert outcome["run_id"] == first
    assert outcome["model"] == {"name": "toys", "version": 1, "alias": "champion", "variant": "full"}
    assert outcome["metrics"]["accuracy"] == 1.0
    assert Path(outcome["report"]).read_text().startswith("<!doctype html>")
    assert set(outcome["steps"]) == set(SHOWN)
    assert "model   toys version 1 (full, champion)" in printed.err
    seen: list[bytes] = []
    monkeypatch.setattr(
        "darkroom.runtime.step.function_of", lambda step: lambda previous, *, config: seen.append(previous.read_bytes()) or {}
    )
    monkeypatch.setattr("darkroom.runtime.step._is_path", lambda parameter: parameter.name == "previous")
    call("split", {}, {"previous": reference}, lambda epoch, measures: None)
    store = Path(client().download_artifacts(first, "split/splits.parquet", str(tmp_path)))
    assert seen == [store.read_bytes()]


def register_on(kubeflow_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Registers a model as the step does on the cluster; gives the MLflow run."""
    from components.register.config import RegisterConfig
    from components.register.register import register
    from components.report.config import ReportConfig
    from components.report.report import report

    work = make(tmp_path / "work", data_version="a" * 32 + ".dir")
    run_id = start_run("toys", "run", {}, {}, "toys", "1")
    with monkeypatch.context() as environment:
        environment.setenv("MLFLOW_RUN_ID", run_id)
        environment.setenv(KUBEFLOW_RUN, kubeflow_run)
        register(work.artifacts, tmp_path / "outcome", config=RegisterConfig(), name="toys", params={})
        report(work.artifacts, tmp_path / "report", config=ReportConfig(), params={}, outcome=tmp_path / "outcome")
        with step_run("report", {}) as step:
            step.keep("report.html", tmp_path / "report")
    return run_id


def test_ctrl_c_detaches_and_says_how_to_attach_again(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.frames = [("RUNNING", {"ingest": "RUNNING"}, "")]
    server.on_look = lambda look: os.kill(os.getpid(), signal.SIGINT) if look == 2 else None
    run_id, _, _ = start(server)
    assert threading.current_thread() is threading.main_thread()
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(typer.Exit) as caught:
            commands.submit(None, [f"platform.endpoint={server.url}"], attach=run_id, params=ROOT / "params.yaml")
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert caught.value.exit_code == 1
    assert f"detached: the run goes on; attach again with `darkroom submit --attach {run_id}`" in capsys.readouterr().err.replace("\n", " ")
    assert server.runs[run_id].state == "RUNNING"


def test_what_attach_can_not_change_is_refused() -> None:
    with pytest.raises(InputError, match="--attach run-0 follows a run as it is"):
        commands.submit(Path(ADDRESS), [], attach="run-0", params=ROOT / "params.yaml")
