"""What can be said of the containers without an engine; `tests/containers` has the rest."""

import json
import os
from pathlib import Path

import pytest
from kfp import dsl
from kfp.dsl import Artifact, Output

from darkroom.runtime.step import IMAGE
from darkroom.system.errors import InputError
from darkroom.system.processes import STDIN
from darkroom.tracking.tags import OWNER
from pipelines.platform import read_platform
from pipelines.run import docker
from pipelines.run.containers import Limits
from pipelines.run.docker import Containers, num_bytes
from tests.pipelines.conftest import Project, shapes


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def one_component(made: Output[Artifact]):
    from pathlib import Path

    Path(made.path).write_text("1")


@dsl.pipeline(name="ones")
def ones() -> Artifact:
    return one_component().outputs["made"]


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("", 0), ("1", 1), ("2K", 2000), ("64Ki", 65536), ("512Mi", 512 * 2**20), ("4G", 4 * 10**9), ("2Gi", 2**31), ("1Ei", 2**60)],
)
def test_quantities_are_those_of_kubernetes(quantity: str, expected: int) -> None:
    assert num_bytes(quantity) == expected


def test_without_an_engine_it_is_one_sentence_before_any_step_starts(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{project.folder}/nobody.sock")
    data = shapes(project.folder / "images", num_images=1)
    done = project.fork("run", "--data", str(data), "--runner", "docker", "--json")
    message = json.loads(done.stdout.strip().split("\n")[-1])["error"]
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert message.startswith(f"no Docker engine answers at unix://{project.folder}/nobody.sock (")
    assert not (project.folder / "runs").exists()
    assert not (project.folder / "mlflow.db").exists()


def test_the_image_is_named_in_the_pipeline_while_it_runs_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "mlflow's")
    monkeypatch.setenv("ANOTHER_PASSWORD", "another's")
    here = Containers(None, "sha256:1", "darkroom-environment", Limits(0, 0), {"network_mode": "host"})
    container = ones.pipeline_spec.deployment_spec["executors"]["exec-one-component"]["container"]
    with here.ready(ones) as runner:
        assert container["image"] == "darkroom-environment"
        environment = runner.container_run_args["environment"]
    assert container["image"] == IMAGE
    assert environment["MLFLOW_TRACKING_PASSWORD"] == "mlflow's"
    assert environment[OWNER] == STDIN
    assert "ANOTHER_PASSWORD" not in environment
    assert "mlflow's" not in repr(here)


def test_the_data_is_read_only_and_the_project_and_its_store_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, data, store, own = (tmp_path / name for name in ("project", "elsewhere", "store", "own"))
    for folder in (project, data, store, own):
        folder.mkdir()
    (project / "data").symlink_to(data)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"")
    model = tmp_path / "model"
    model.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    settings = {
        "train": {"weights": str(weights), "model": "resnet18", "epochs": 3},
        "embed": {"weights": str(model)},
        "evaluate": {"data": f"{own}/"},
    }
    mounts = docker._mounts(Path("data"), settings)
    places = {mount["Target"]: (mount["Source"], mount["ReadOnly"]) for mount in mounts}
    assert places == {
        str(project): (str(project), False),
        str(store): (str(store), False),
        str(data): (str(data), True),
        str(project / "data"): (str(data), True),
        str(weights): (str(weights), True),
        str(model): (str(model), True),
        str(own): (str(own), True),
    }


def test_memory_shared_memory_cpus_and_gpus_are_passed_on() -> None:
    platform = read_platform({"memory_limit": "2Gi", "shared_memory_gib": 0.5, "cpu_limit": "1500m", "accelerator_count": 2})
    options = docker._resources(platform, Limits(num_bytes("2Gi"), 2**29))
    (gpus,) = options.pop("device_requests")
    assert (gpus["Count"], gpus["Capabilities"]) == (2, [["gpu"]])
    assert options == {"shm_size": 2**29, "mem_limit": 2**31, "memswap_limit": 2**31, "nano_cpus": 1_500_000_000}


def test_an_accelerator_that_docker_can_not_pass_on_is_refused() -> None:
    platform = read_platform({"accelerator_type": "example.com/tpu", "accelerator_count": 1})
    with pytest.raises(InputError, match=r"platform.accelerator_type is 'example.com/tpu': --runner docker passes on nvidia.com/gpu only"):
        docker._resources(platform, Limits(0, 2**31))


def test_a_step_in_a_container_ends_when_its_input_does(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import time; from darkroom.runtime.step import follow_owner; follow_owner(); print('waits', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, OWNER: STDIN}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as step:
        assert step.stdin is not None and step.stdout is not None
        assert step.stdout.readline() == b"waits\n"
        assert step.poll() is None
        step.stdin.close()
        assert step.wait(20) == 1
