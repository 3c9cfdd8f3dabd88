"""The retraining pipeline: what Kubeflow is given, and what its first and last task do beside a real champion."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl

from darkroom.runtime.step import network_settings
from darkroom.system.config import dump
from darkroom.system.errors import InputError
from darkroom.system.files import write_json
from darkroom.tracking.leases import end_leases, leases
from darkroom.tracking.runs import client
from darkroom.tracking.tags import KUBEFLOW_RUN, LEASE, VOLUME
from darkroom.verdicts import Verdict, append, now, version
from pipelines.plan import Plan
from pipelines.platform import read_platform
from pipelines.retrain.cluster import close, plan_on_cluster
from pipelines.retrain.decide import RetrainConfig
from pipelines.retraining import PLANNED, WANTED, plan_component, retraining
from pipelines.submit.command import compile as compile_command
from pipelines.submit.compile import compile_pipeline
from tests.pipelines.conftest import ROOT, Project, Toys, shapes
from tests.webhook import webhook

PLATFORM = {"image": "registry.example.org/darkroom@sha256:" + "0a" * 32, "volume": "darkroom", "endpoint": "https://kubeflow.example.org"}
CONFIG = dump(RetrainConfig())
RUN = "0f0e0d0c-1111-2222-3333-444444444444"


@pytest.fixture
def cluster(toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toys:
    monkeypatch.setenv(KUBEFLOW_RUN, RUN)
    monkeypatch.setenv(VOLUME, str(tmp_path))
    return toys


def epochs(toys: Toys, number: int) -> Plan:
    return dataclasses.replace(toys.plan, params=toys.plan.params | {"train": toys.plan.params["train"] | {"epochs": number}})


def test_kubeflow_trains_only_under_the_condition(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "one.yaml", read_platform(PLATFORM), {}, retraining)
    compile_pipeline(tmp_path / "two.yaml", read_platform(PLATFORM), {}, retraining)
    text = (tmp_path / "one.yaml").read_text()
    assert text == (tmp_path / "two.yaml").read_text()
    pipeline, platform = yaml.load_all(text, yaml.CSafeLoader)
    inside = pipeline["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert set(inside) == {"plan-component", "condition-2"}
    assert inside["condition-2"]["triggerPolicy"]["condition"].endswith("['pipelinechannel--plan-component-Output'] == 'train'")
    assert not inside["plan-component"]["cachingOptions"]
    tasks = pipeline["components"]["comp-condition-2"]["dag"]["tasks"]
    assert {"ingest-component", "register-component", "close-component"} <= set(tasks)
    assert tasks["close-component"]["dependentTasks"] == ["register-component"]
    asked = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    mounting = {name.removeprefix("exec-").removesuffix("-component") for name, one in asked.items() if "pvcMount" in one}
    assert mounting >= {"plan", "ingest", "split", "train", "register"}


def test_the_command_compiles_it_with_the_settings(tmp_path: Path) -> None:
    sets = ["platform.image=" + PLATFORM["image"], "retrain.max_age_days=30"]
    compile_command(tmp_path / "one.yaml", sets, ROOT / "params.yaml", "retraining")
    inputs = next(yaml.load_all((tmp_path / "one.yaml").read_text(), yaml.CSafeLoader))["root"]["inputDefinitions"]["parameters"]
    assert inputs["retrain"]["defaultValue"]["max_age_days"] == 30
    assert {"data", "name"} == {name for name, one in inputs.items() if "defaultValue" not in one}
    with pytest.raises(InputError, match="--pipeline is 'other': give training or retraining"):
        compile_command(tmp_path / "one.yaml", sets, ROOT / "params.yaml", "other")


def test_the_first_task_stops_where_nothing_changed(cluster: Toys, tmp_path: Path) -> None:
    params = json.loads(json.dumps(cluster.plan.params), parse_int=float)  # as Kubeflow hands them over
    names = (*PLANNED.values(), "lease")
    places = {name: str(tmp_path / "outputs" / name) for name in names}
    assert plan_component.python_func(str(cluster.source), "toys", CONFIG, params, False, **places) == "nothing"
    texts = {name: Path(place).read_text() for name, place in places.items()}
    assert {name for name in names if not texts[name]} == {
        "evaluation_version",
        "unlabelled_version",
        "verdicts_version",
        "previous",
        "lease",
    }
    assert texts["data_version"] == cluster.plan.version
    assert [json.loads(texts[step]) for step in ("embed", "clean", "train")] == [
        cluster.plan.params[step] for step in ("embed", "clean", "train")
    ]
    assert json.loads(texts["network"]) == network_settings(cluster.plan.params)
    assert json.loads(texts["settled"]) == cluster.plan.params


def test_each_retraining_reads_the_verdicts_of_its_time(cluster: Toys, tmp_path: Path) -> None:
    file = tmp_path / "judged.csv"
    work = {**cluster.plan.params, "clean": {**cluster.plan.params["clean"], "verdicts": str(file)}}
    seen = []
    for word in ("drop", "keep"):
        append(file, Verdict("f" * 64, word, "", "anna", now()))
        planned = plan_on_cluster(str(cluster.source), "toys", CONFIG, work, False)
        assert planned.clean["verdicts_version"] == planned.verdicts_version == version(file.read_bytes())
        assert planned.settled["clean"] == planned.clean  # which `register` tracks, and `run --like` reads
        seen.append(planned.verdicts_version)
    assert seen[0] != seen[1]


def test_a_trigger_that_fires_twice_trains_once(cluster: Toys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    work = epochs(cluster, 11)
    first = plan_on_cluster(str(cluster.source), "toys", CONFIG, work.params, False)
    assert first.action == "train"
    assert client().get_run(first.lease).data.tags["darkroom.retrain_reasons"] == "changed_parameters"
    monkeypatch.setenv(KUBEFLOW_RUN, "another")
    second = plan_on_cluster(str(cluster.source), "toys", CONFIG, work.params, False)
    assert second.action == "wait"
    assert f"left alone: run {first.lease[:8]} does the same, on kubeflow run {RUN}" in capsys.readouterr().out
    end_leases("toys", RUN, "FAILED")
    assert client().get_run(first.lease).info.status == "FAILED"
    assert plan_on_cluster(str(cluster.source), "toys", CONFIG, work.params, False).action == "train"


def test_the_last_task_ends_the_lease_and_tells_people(cluster: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = epochs(cluster, 12)
    planned = plan_on_cluster(str(cluster.source), "toys", CONFIG, work.params, False)
    model = {"name": "toys", "version": 2, "alias": "", "variant": "full"}
    outcome = {"model": model, "metrics": {"accuracy": 0.5}, "decision": "challenger", "reason": "it is worse"}
    write_json(tmp_path / "outcome", outcome)
    with webhook(monkeypatch, 200) as hook:
        close(planned.lease, str(tmp_path / "outcome"))
    assert [(body["event"], body["why"]) for body in hook.bodies] == [("refusal", "it is worse")]
    assert client().get_run(planned.lease).info.status == "FINISHED"
    again = plan_on_cluster(str(cluster.source), "toys", CONFIG, work.params, False)
    assert again.action == "nothing"


def test_the_other_steps_find_the_earlier_splits_on_the_volume(cluster: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "toys"
    shutil.copytree(cluster.source, source)
    (source / "dog" / "0012.png").unlink()
    planned = plan_on_cluster(str(source), "toys", CONFIG, epochs(cluster, 13).params, False)
    assert Path(planned.previous).parent == tmp_path / "previous"
    assert Path(planned.previous).is_file()
    (lease,) = leases("toys", client().get_run(planned.lease).data.tags["darkroom.key"])
    assert lease.tags[LEASE] == "holds"
    monkeypatch.delenv(VOLUME)
    assert plan_on_cluster(str(source), "toys", CONFIG, epochs(cluster, 14).params, False).previous == ""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*have no effect in the current local runner", "ignore:You may be attemping to run a task")
def test_the_same_pipeline_runs_on_this_machine(project: Project, migrated_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kfp import local

    monkeypatch.chdir(project.folder)
    shutil.copyfile(migrated_store, project.folder / "mlflow.db")  # on a cluster there is a server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.folder / 'mlflow.db'}")
    data = shapes(project.folder / "shapes")
    from pipelines.params import arguments as arguments_of
    from pipelines.params import read_settings

    sets = ["train.epochs=1", "prune.enabled=false", "train.side_px=16", "evaluate.num_resamples=100"]
    settings = read_settings(sets, project.folder / "params.yaml")[0]
    known = {name: value for name, value in arguments_of(settings).items() if name in WANTED}
    arguments: dict[str, Any] = {**known, "data": str(data), "name": "shapes", "retrain": CONFIG, "force": False}
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(project.folder / "runs" / "local"))
    pipeline: Any = retraining
    assert isinstance(pipeline, dsl.graph_component.GraphComponent)
    pipeline(**arguments)
    runs = client().search_runs([client().get_experiment_by_name("shapes").experiment_id])  # type: ignore[union-attr]
    (held,) = [run for run in runs if LEASE in run.data.tags]
    assert held.info.status == "FINISHED"
    assert held.data.tags["darkroom.model_version"] == "1"
    pipeline(**arguments)
    assert len(client().search_model_versions("name = 'shapes'")) == 1
    assert len([run for run in client().search_runs([held.info.experiment_id]) if LEASE in run.data.tags]) == 1
    assert os.environ["MLFLOW_TRACKING_URI"].endswith("mlflow.db")
