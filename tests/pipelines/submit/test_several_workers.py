"""The tasks of a cluster that search together: what is compiled of them, and when they are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp.dsl.graph_component import GraphComponent

from darkroom.system.errors import InputError
from pipelines.params import complete
from pipelines.platform import read_platform
from pipelines.retraining import retraining
from pipelines.submit.compile import ALONE, Spread, compile_pipeline, default_arguments, spread_of
from pipelines.training import training
from tests.pipelines.submit.test_compile import EVERYTHING

PLATFORM = read_platform(EVERYTHING)
SEARCH = {"enabled": True, "num_workers": 3, "storage": "postgresql://me@host/db"}


def components_of(path: Path, pipeline: GraphComponent, num_workers: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The components of what is compiled, and what its executors ask of Kubernetes."""
    compile_pipeline(path, PLATFORM, {"previous": ""}, pipeline, spread=Spread(num_workers=num_workers))
    found, asked = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    return found["components"], asked["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.mark.parametrize("pipeline", [training, retraining], ids=["training", "retraining"])
def test_workers_stand_in_a_loop_beside_the_step_and_take_what_it_takes(tmp_path: Path, pipeline: GraphComponent) -> None:
    known, asked = components_of(tmp_path / "three.yaml", pipeline, 3)
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
    known, _ = components_of(tmp_path / "one.yaml", training, 1)
    assert not any("parameterIterator" in task for one in known.values() for task in one.get("dag", {}).get("tasks", {}).values())


def test_workers_are_those_of_a_search_that_is_on() -> None:
    assert spread_of(complete({"tune": SEARCH})) == Spread(1, 3)
    assert spread_of(complete({"tune": {**SEARCH, "enabled": False}})) == ALONE


@pytest.mark.parametrize("storage", ["", "/mnt/darkroom/study.log", "sqlite:////mnt/darkroom/study.db"])
def test_workers_without_a_database_are_refused(storage: str) -> None:
    assert default_arguments(complete({"tune": SEARCH}), PLATFORM)["tune"]["num_workers"] == 3
    with pytest.raises(InputError, match=r"tune\.storage .*: give postgresql://HOST/NAME$"):
        default_arguments(complete({"tune": {**SEARCH, "storage": storage}}), PLATFORM)
