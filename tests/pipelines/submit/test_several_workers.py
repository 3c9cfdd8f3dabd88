"""The tasks of a cluster that share a step's work: what is compiled of them, and when they are refused."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl, local
from kfp.dsl.graph_component import GraphComponent

from components.augment.augment import augment
from components.augment.component import augment_component
from components.augment.config import AugmentConfig
from components.embed.component import embed_component
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.component import ingest_component
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import manifest
from darkroom.file_store import COPIES, KEPT_AS, PARTS
from darkroom.system.errors import InputError
from darkroom.system.files import read_json
from darkroom.tracking.tags import VECTORS, VOLUME
from darkroom.versions.file_md5s import SETTLED_S
from darkroom.volume import resolve_folder
from pipelines.params import complete
from pipelines.platform import read_platform
from pipelines.retraining import retraining
from pipelines.submit.compile import ALONE, Spread, compile_pipeline, default_arguments, spread_of
from pipelines.submit.several_workers import add_parts
from pipelines.training import training
from tests.pipelines.conftest import ROOT, shapes
from tests.pipelines.submit.test_compile import EVERYTHING

PLATFORM = read_platform(EVERYTHING)
SEARCH = {"enabled": True, "num_workers": 3, "storage": "postgresql://me@host/db"}


def components_of(
    path: Path, pipeline: GraphComponent, num_workers: int = 1, num_parts: int = 1
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The components of what is compiled, what its executors ask of Kubernetes, and their environment variables."""
    platform = read_platform({**EVERYTHING, "num_parts": num_parts})
    compile_pipeline(path, platform, {"previous": ""}, pipeline, spread=Spread(num_workers=num_workers))
    found, asked = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    executors = found["deploymentSpec"]["executors"]
    given = {
        name: {entry["name"]: entry["value"] for entry in one["container"]["env"]}
        for name, one in executors.items()
        if "ending" not in name
    }
    return found["components"], asked["platforms"]["kubernetes"]["deploymentSpec"]["executors"], given


@pytest.mark.parametrize("pipeline", [training, retraining], ids=["training", "retraining"])
def test_workers_stand_in_a_loop_beside_the_step_and_take_what_it_takes(tmp_path: Path, pipeline: GraphComponent) -> None:
    known, asked, _ = components_of(tmp_path / "three.yaml", pipeline, 3)
    (tasks,) = [one["dag"]["tasks"] for one in known.values() if "tune-component" in one.get("dag", {}).get("tasks", {})]
    (loop,) = [task for task in tasks.values() if "parameterIterator" in task]
    assert json.loads(loop["parameterIterator"]["items"]["raw"]) == [1, 2]
    (inside,) = known[loop["componentRef"]["name"]]["dag"]["tasks"].values()
    assert inside["taskInfo"]["name"] == "tune_worker"
    own = tasks["tune-component"]["inputs"]
    assert set(inside["inputs"]["artifacts"]) == set(own["artifacts"])
    assert set(inside["inputs"]["parameters"]) == {*own["parameters"], "worker"}
    assert "worker" not in own["parameters"]
    assert loop["dependentTasks"] == tasks["tune-component"]["dependentTasks"]
    assert not any(loop["taskInfo"]["name"] in task.get("dependentTasks", ()) for task in tasks.values())
    both = [executor for name, executor in asked.items() if name.startswith("exec-tune-component")]
    assert len(both) == 2
    assert both[0] == both[1]


def test_one_worker_is_the_step_alone(tmp_path: Path) -> None:
    known, _, given = components_of(tmp_path / "one.yaml", training)
    assert "DARKROOM_VECTORS" not in given["exec-ingest-component"]
    assert not any("parameterIterator" in task for one in known.values() for task in one.get("dag", {}).get("tasks", {}).values())


def test_workers_are_those_of_a_search_that_is_on() -> None:
    assert spread_of(complete({"tune": SEARCH})) == Spread(1, 3)
    assert spread_of(complete({"tune": {**SEARCH, "enabled": False}})) == ALONE


@pytest.mark.parametrize("storage", ["", "/mnt/darkroom/study.log", "sqlite:////mnt/darkroom/study.db"])
def test_workers_without_a_database_are_refused(storage: str) -> None:
    assert default_arguments(complete({"tune": SEARCH}), PLATFORM)["tune"]["num_workers"] == 3
    with pytest.raises(InputError, match=r"tune\.storage .*: give postgresql://HOST/NAME$"):
        default_arguments(complete({"tune": {**SEARCH, "storage": storage}}), PLATFORM)


@pytest.mark.parametrize("pipeline", [training, retraining], ids=["training", "retraining"])
def test_parts_stand_in_a_loop_before_the_step_that_waits_for_them(tmp_path: Path, pipeline: GraphComponent) -> None:
    known, asked, given = components_of(tmp_path / "parts.yaml", pipeline, num_parts=3)
    (tasks,) = [one["dag"]["tasks"] for one in known.values() if "embed-component" in one.get("dag", {}).get("tasks", {})]
    loops = {name: task for name, task in tasks.items() if "parameterIterator" in task}
    assert [task["taskInfo"]["name"] for task in loops.values()] == ["ingest-parts", "embed-parts", "augment-parts"]
    for step, (name, loop) in zip(("ingest", "embed", "augment"), loops.items(), strict=True):
        assert json.loads(loop["parameterIterator"]["items"]["raw"]) == ["1/3", "2/3", "3/3"]
        (inside,) = known[loop["componentRef"]["name"]]["dag"]["tasks"].values()
        own = tasks[f"{step}-component"]
        assert inside["taskInfo"]["name"] == f"{step}_part"
        assert inside["retryPolicy"] == own["retryPolicy"]
        assert inside["retryPolicy"]["maxRetryCount"] == 3
        assert set(inside["inputs"].get("artifacts", {})) == set(own["inputs"].get("artifacts", {}))
        assert set(inside["inputs"]["parameters"]) == {*own["inputs"]["parameters"], "part"}
        assert "part" not in own["inputs"]["parameters"]
        assert [task for task in tasks if name in tasks[task].get("dependentTasks", ())] == [f"{step}-component"]
        assert set(loop.get("dependentTasks", ())) == set(own["dependentTasks"]) - {name}
        executors = [one for one in asked if one.startswith(f"exec-{step}-component")]
        assert len(executors) == {"ingest": 4, "embed": 3, "augment": 2}[step]
        for executor in executors:
            assert asked[executor] == asked[f"exec-{step}-component"]
            assert asked[executor]["pvcMount"][0]["mountPath"] == "/mnt/darkroom"
            assert (given[executor]["DARKROOM_VOLUME"], given[executor]["DARKROOM_VECTORS"]) == ("/mnt/darkroom", "/mnt/darkroom/vectors")


def test_parts_change_no_argument_of_any_step(tmp_path: Path) -> None:
    one, three = (components_of(tmp_path / f"{number}.yaml", training, num_parts=number)[0] for number in (1, 3))
    tasks = [found["comp-exit-handler-1"]["dag"]["tasks"] for found in (one, three)]
    assert {name: task["inputs"] for name, task in tasks[0].items()} == {name: tasks[1][name]["inputs"] for name in tasks[0]}
    assert {name: one[name] for name in one if name != "comp-exit-handler-1"} == {
        name: three[name] for name in one if name != "comp-exit-handler-1"
    }


def test_parts_without_a_volume_are_refused(tmp_path: Path) -> None:
    alone = {"image": EVERYTHING["image"], "num_parts": 4}
    with pytest.raises(InputError, match=r"platform\.num_parts is 4, and the tasks share no volume: name one in platform\.volume"):
        compile_pipeline(tmp_path / "parts.yaml", read_platform(alone), {"previous": ""})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*have no effect in the current local runner:UserWarning")
def test_parts_run_before_their_steps_which_make_what_they_make_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dsl.pipeline
    def divided(data: str) -> None:
        packed = ingest_component(data=data, data_version="1", config={}, code_version="")
        seen = embed_component(images=packed.outputs["images"], config={"num_threads": 1}, code_version="")
        splits = dsl.importer(artifact_uri=str(tmp_path / "splits"), artifact_class=dsl.Dataset).output
        drawn = augment_component(images=packed.outputs["images"], splits=splits, config={"target_share": 1.0}, code_version="")
        for step, task in (("ingest", packed), ("embed", seen), ("augment", drawn)):
            add_parts(task, step, 2)

    data = shapes(tmp_path / "data", num_images=3)
    time.sleep(SETTLED_S + 0.5)  # what has just changed is read each time
    ingest(data, tmp_path / "images", tmp_path / "manifest", config=IngestConfig(), data_version="1")
    rows = manifest.read(tmp_path / "manifest")
    frame = rows.frame()
    rows.with_frame(frame.assign(split=["test", *["train"] * (len(frame) - 1)])).write(tmp_path / "splits")
    for name, folder in ((VOLUME, "volume"), (VECTORS, "vectors"), ("PYTHONPATH", ROOT)):
        monkeypatch.setenv(name, str(tmp_path / folder))
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "run"), raise_on_error=True)
    divided(data=str(data))
    (metrics,) = [path for path in tmp_path.glob("run/*/embed-component/metrics") if read_json(path)["num_embedded"]]
    assert read_json(metrics)["num_computed"] == 0
    assert len(list((tmp_path / "vectors" / KEPT_AS / PARTS).iterdir())) == 2
    embed(tmp_path / "images", tmp_path / "embeddings", config=EmbedConfig(num_threads=1))
    (copied,) = [path.parent for path in tmp_path.glob("run/*/augment-component/contact_sheet") if path.stat().st_size]
    alone = [tmp_path / name for name in ("augmented_images", "examples", "policy", "contact_sheet")]
    augment(tmp_path / "images", tmp_path / "splits", *alone, config=AugmentConfig(target_share=1.0))
    assert len(list((tmp_path / "vectors" / COPIES / PARTS).iterdir())) == read_json(copied / "metrics")["num_copies"] == 1
    made = metrics.parents[1]
    assert (made / "ingest-component" / "manifest").read_bytes() == (tmp_path / "manifest").read_bytes()
    assert [(copied / path.name).read_bytes() for path in alone[1:]] == [path.read_bytes() for path in alone[1:]]
    for one, other in (
        (made / "ingest-component/images", "images"), (made / "embed-component/embeddings", "embeddings"),
        (copied / "augmented_images", "augmented_images"),
    ):  # fmt: skip
        assert content_of(one) == content_of(tmp_path / other)


def content_of(folder: Path) -> dict[str, bytes]:
    """The bytes of an artifact's files by their names: of images on a volume of those there."""
    return {path.name: path.read_bytes() for path in resolve_folder(folder).iterdir()}
