"""Several nodes: what is compiled is a TrainJob by Trainer's own schema, and only where the nodes share a volume."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from darkroom.runtime.train_job import job_for
from darkroom.system.errors import InputError
from darkroom.tracking.tags import POD_NAME, POD_UID, TRAIN_JOB
from pipelines.platform import read_platform
from pipelines.submit.compile import Spread, compile_pipeline
from pipelines.submit.several_nodes import train_job
from tests.pipelines.submit.test_compile import EVERYTHING, IMAGE

SCHEMA = json.loads(Path(__file__).with_name("trainjob.schema.json").read_text())


@pytest.mark.parametrize("settings", [EVERYTHING, {"image": IMAGE, "volume": "darkroom"}])
def test_the_job_is_one_by_trainers_schema(settings: dict[str, Any]) -> None:
    job = job_for(train_job(read_platform(settings), 3), Path("/mnt/darkroom/training/work"), {"name": "step", "uid": "1-2"})
    jsonschema.validate(job, SCHEMA)
    assert job["spec"]["trainer"]["numNodes"] == 3
    assert job["spec"]["trainer"]["command"] + job["spec"]["trainer"]["args"] == [
        "torchrun",
        "-m",
        "darkroom.training.worker",
        "/mnt/darkroom/training/work",
    ]


def test_the_schema_refuses_what_trainer_does_not_know() -> None:
    job = train_job(read_platform(EVERYTHING), 2)
    job["spec"]["trainer"]["nodes"] = 2
    with pytest.raises(jsonschema.ValidationError, match="nodes"):
        jsonschema.validate(job, SCHEMA)


def test_the_steps_that_train_networks_carry_the_job(tmp_path: Path) -> None:
    path = tmp_path / "training.yaml"
    compile_pipeline(path, read_platform(EVERYTHING), {"previous": ""}, spread=Spread(num_nodes=2))
    pipeline, asked = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    found = {
        name.removeprefix("exec-").removesuffix("-component"): json.loads(variable["value"])
        for name, executor in pipeline["deploymentSpec"]["executors"].items()
        for variable in executor["container"].get("env", [])
        if variable["name"] == TRAIN_JOB
    }
    assert set(found) == {"train", "tune"}
    jsonschema.validate(found["train"], SCHEMA)
    fields = asked["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train-component"]["fieldPathAsEnv"]
    assert {POD_NAME, POD_UID} <= {field["name"] for field in fields}


def test_nodes_without_a_volume_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"platform\.volume"):
        compile_pipeline(tmp_path / "training.yaml", read_platform({"image": IMAGE}), {"previous": ""}, spread=Spread(num_nodes=2))
    assert list(tmp_path.iterdir()) == []
