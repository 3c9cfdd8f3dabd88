"""The pipeline as Kubeflow's YAML: what it says of every task, and that it says the same twice."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import components

from components import STEPS
from darkroom.runtime.step import function_of
from darkroom.system.errors import InputError
from darkroom.versions.code import code_version
from pipelines.params import read_settings
from pipelines.platform import PlatformConfig, read_platform
from pipelines.submit import command as commands
from pipelines.submit.compile import RESUMABLE, check_image, compile_pipeline, default_arguments, notes
from pipelines.training import TASKS
from tests.pipelines.conftest import ROOT

GOLDEN = Path(__file__).with_name("train_task.yaml")
IMAGE = "registry.example.org/team/darkroom@sha256:" + "0a" * 32
EVERYTHING = {
    "image": IMAGE,
    "cpu_request": "500m",
    "cpu_limit": "4",
    "memory_limit": "8Gi",
    "accelerator_count": 1,
    "node_selector": {"cloud.example.org/pool": "training"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "shared_memory_gib": 0.5,
    "num_retries": 3,
    "retry_wait_s": 30,
    "timeout_s": 7200,
    "secrets": {
        "mlflow": {"username": "MLFLOW_TRACKING_USERNAME", "password": "MLFLOW_TRACKING_PASSWORD"},
        "s3": {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY"},
        "git": {"token": "GIT_PASSWORD"},
    },
    "config_maps": {"mlflow": {"uri": "MLFLOW_TRACKING_URI"}},
    "secret_files": {"git-key": "/etc/git-key"},
    "image_pull_secrets": ["registry"],
    "volume": "darkroom",
    "checkpoints": "s3://team/darkroom",
    "endpoint": "https://kubeflow.example.org",
}
FURTHER = (
    *("verdicts", "verdicts_version", "ingest_evaluation", "evaluation_data", "evaluation_version"),
    *("ingest_unlabelled", "unlabelled_data", "unlabelled_version", "network", "floor_measure"),
)
READS_PIXELS = {"ingest", "embed", "clean", "split", "augment", "pretrain", "tune", "train", "evaluate", "prune"}


def compiled(path: Path, platform: PlatformConfig | None = None) -> str:
    compile_pipeline(path, platform or read_platform(EVERYTHING), {"ingest": {"task": "auto", "max_file_mb": 100}, "previous": ""})
    return path.read_text()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compiled(tmp_path_factory.mktemp("compiled") / "training.yaml")


@pytest.fixture
def documents(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What runs, and what each executor asks of Kubernetes, by step."""
    pipeline, platform = yaml.load_all(text, yaml.CSafeLoader)
    return pipeline, by_step(platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"])


def task_step(name: str) -> str:
    """The step of one of kfp's tasks, such as `evaluate-component-2`."""
    return re.sub(r"-component(-[23])?$", "", name)


def by_step(executors: dict[str, Any]) -> dict[str, Any]:
    named = {re.sub(r"^exec-|-component(-[23])?$", "", name): asked for name, asked in executors.items() if name[-2:] not in ("-2", "-3")}
    assert set(named) == {*STEPS, "ending"}
    return named


def test_what_kubeflow_is_told_of_one_task_is_the_golden_text(documents: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    pipeline, asked = documents
    told = {
        "task": pipeline["components"]["comp-exit-handler-1"]["dag"]["tasks"]["train-component"],
        "component": pipeline["components"]["comp-train-component"],
        "executor": by_step(pipeline["deploymentSpec"]["executors"])["train"],
        "kubernetes": asked["train"],
    }
    masked = re.sub(r"\b[0-9a-f]{16}\b", "code-version", yaml.safe_dump(told, width=140))  # of the code, not of the pipeline
    (tmp_path / "train_task.yaml").write_text(masked)
    assert masked == GOLDEN.read_text(), f"look at the difference, then `cp {tmp_path / 'train_task.yaml'} {GOLDEN}`"


def test_every_task_gets_what_the_tasks_before_it_made(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    tasks = documents[0]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    for name, task in tasks.items():
        given = {entry["taskOutputArtifact"]["producerTask"] for entry in task["inputs"].get("artifacts", {}).values()}
        assert given == set(task.get("dependentTasks", []))
        definition = documents[0]["components"][task["componentRef"]["name"]]["inputDefinitions"]
        assert set(task["inputs"].get("artifacts", {})) == set(definition.get("artifacts", {})), name
        assert task["inputs"]["parameters"]["code_version"]["runtimeValue"]["constant"] == code_version(task_step(name))
    made = {
        name: {entry["taskOutputArtifact"]["producerTask"] for entry in tasks[name]["inputs"]["artifacts"].values()}
        for name in ("evaluate-component-2", "report-component")
    }
    assert "prune-component" in made["evaluate-component-2"]
    assert {"evaluate-component", "evaluate-component-2", "evaluate-component-3", "register-component"} <= made["report-component"]


def test_kubeflows_own_loader_takes_it(text: str) -> None:
    loaded = components.load_component_from_text(text)
    assert {"data", "data_version", "name", "train", "params"} <= set(loaded.component_spec.inputs)


def test_the_same_inputs_give_the_same_bytes_without_a_tag_and_a_secret(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in EVERYTHING["secrets"].values():  # type: ignore[attr-defined]
        for variable in variables.values():
            monkeypatch.setenv(variable, f"hunter2-{variable}")
    written = compiled(tmp_path / "again.yaml")
    assert written == text
    assert [path.name for path in tmp_path.iterdir()] == ["again.yaml"]
    assert "hunter2" not in written
    assert {line.split("image: ")[1] for line in written.split("\n") if "image: " in line} == {IMAGE}


@pytest.mark.parametrize("image", ["registry.example.org/darkroom:1.0", "darkroom"])
def test_a_tag_is_refused_unless_it_is_allowed(tmp_path: Path, image: str) -> None:
    with pytest.raises(InputError, match=rf"platform\.image is '{image}', which is no digest: .* platform\.allow_tag=true"):
        compiled(tmp_path / "training.yaml", read_platform({"image": image}))
    assert not (tmp_path / "training.yaml").exists()
    check_image(read_platform({"image": image, "allow_tag": True}))


def test_no_image_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"platform\.image is empty: name the image .* `make image`"):
        compiled(tmp_path / "training.yaml", read_platform({}))


def test_every_step_asks_for_what_the_platform_says(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    pipeline, asked = documents
    containers = {step: executor["container"] for step, executor in by_step(pipeline["deploymentSpec"]["executors"]).items()}
    for step, container in containers.items():
        resources = container["resources"]
        assert (resources["resourceCpuRequest"], resources["resourceCpuLimit"]) == ("500m", "4")
        assert (resources["resourceMemoryRequest"], resources["resourceMemoryLimit"]) == ("4Gi", "8Gi")
        assert ("accelerator" in resources) == (step in {"embed", "pretrain", "tune", "train", "prune"})
        assert asked[step]["activeDeadlineSeconds"] == "7200"
        assert asked[step]["nodeSelector"] == {"labels": {"cloud.example.org/pool": "training"}}
        assert asked[step]["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
        assert [secret["secretName"] for secret in asked[step]["secretAsEnv"]] == ["mlflow", "s3", "git"]
        assert asked[step]["configMapAsEnv"][0]["keyToEnv"] == [{"configMapKey": "uri", "envVar": "MLFLOW_TRACKING_URI"}]
        assert asked[step]["secretAsVolume"][0]["mountPath"] == "/etc/git-key"
        assert asked[step]["imagePullSecret"][0]["secretName"] == "registry"
    assert containers["train"]["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"


def test_steps_that_read_pixels_have_shared_memory_and_the_volume(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    pipeline, asked = documents
    for step, executor in by_step(pipeline["deploymentSpec"]["executors"]).items():
        mounts = {mount["mountPath"]: mount for mount in asked[step]["emptyDirMounts"]}
        environment = {entry["name"]: entry["value"] for entry in executor["container"].get("env", [])}
        assert ("/dev/shm" in mounts) == (step in READS_PIXELS)
        assert (environment.get("DARKROOM_VOLUME") == "/mnt/darkroom") == (step in READS_PIXELS)
        assert ("pvcMount" in asked[step]) == (step in READS_PIXELS)
        if step in READS_PIXELS:
            assert (mounts["/dev/shm"]["medium"], mounts["/dev/shm"]["sizeLimit"]) == ("Memory", "512Mi")
        assert ("DARKROOM_CHECKPOINTS" in environment) == (step in RESUMABLE)
        assert (environment.get("DARKROOM_VECTORS") == "/mnt/darkroom/vectors") == (step in {"embed", "clean", "tune", "train", "prune"})
        if step != "ending":
            assert environment["DARKROOM_CODE_VERSION"] == code_version(step)


def test_the_steps_that_are_told_where_are_those_that_keep_checkpoints() -> None:
    assert {step for step in STEPS if "checkpoints" in inspect.signature(function_of(step)).parameters} == RESUMABLE


@pytest.mark.parametrize(
    ("values", "place", "told"),
    [
        ({}, None, ["no volume is named (platform.volume): images", "nothing keeps checkpoints (platform.volume, platform.checkpoints)"]),
        pytest.param({"volume": "darkroom"}, "/mnt/darkroom/checkpoints", [], marks=pytest.mark.slow),
        pytest.param(
            {"checkpoints": "s3://team/darkroom"},
            "s3://team/darkroom",
            ["no volume is named (platform.volume): images"],
            marks=pytest.mark.slow,
        ),
        ({"volume": "darkroom", "checkpoints": "s3://team/darkroom"}, "s3://team/darkroom", []),
    ],
)
def test_checkpoints_stand_on_the_volume_or_in_object_storage(
    tmp_path: Path, values: dict[str, Any], place: str | None, told: list[str]
) -> None:
    platform = read_platform({"image": IMAGE, "config_maps": EVERYTHING["config_maps"], **values})
    pipeline = next(yaml.load_all(compiled(tmp_path / "training.yaml", platform), yaml.CSafeLoader))
    for step, executor in by_step(pipeline["deploymentSpec"]["executors"]).items():
        environment = {entry["name"]: entry["value"] for entry in executor["container"].get("env", [])}
        assert environment.get("DARKROOM_CHECKPOINTS") == (place if step in RESUMABLE else None)
    assert [note[: len(start)] for note, start in zip(notes(platform), told, strict=True)] == told


def test_failed_steps_are_tried_again_for_as_long_as_they_may_run(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    pipeline, _ = documents
    tasks = pipeline["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert {task["taskInfo"]["name"].removesuffix("-component") for task in tasks.values()} == set(TASKS)
    expected = {"maxRetryCount": 3, "backoffDuration": "30s", "backoffFactor": 2.0, "backoffMaxDuration": f"{4 * 7200 + 30 + 60 + 120}s"}
    assert [task["retryPolicy"] for task in tasks.values()] == [expected] * len(TASKS)
    uncached = {name for name, task in tasks.items() if task["cachingOptions"] == {}}
    assert uncached == {"register-component", "report-component"}


def test_the_last_task_reports_however_the_others_ended(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ending = documents[0]["root"]["dag"]["tasks"]["ending-component"]
    assert ending["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert ending["inputs"]["parameters"]["status"] == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}
    assert ending["cachingOptions"] == {}


def test_nothing_of_the_platform_is_an_argument_of_a_step(tmp_path: Path, documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    tagged = read_platform({"image": "darkroom:1.0", "allow_tag": True})
    plain = yaml.load(compiled(tmp_path / "plain.yaml", tagged).split("\n---\n")[0], yaml.CSafeLoader)
    assert {one["container"]["image"] for one in plain["deploymentSpec"]["executors"].values()} == {"darkroom:1.0"}
    tasks = [pipeline["components"]["comp-exit-handler-1"]["dag"]["tasks"] for pipeline in (plain, documents[0])]
    inputs = [{name: task["inputs"] for name, task in found.items()} for found in tasks]
    assert inputs[0] == inputs[1]


def test_the_command_bakes_the_settings_in_and_says_what_no_volume_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "training.yaml"
    commands.compile(output, [f"platform.image={IMAGE}", "train.epochs=7"], ROOT / "params.yaml")
    printed = capsys.readouterr()
    assert printed.out == f"{output}\n"
    assert "no volume is named (platform.volume)" in printed.err
    assert "nothing gives the steps MLFLOW_TRACKING_URI" in printed.err
    assert notes(read_platform(EVERYTHING)) == []
    parameters = next(yaml.load_all(output.read_text(), yaml.CSafeLoader))["root"]["inputDefinitions"]["parameters"]
    assert parameters["train"]["defaultValue"]["epochs"] == 7
    assert {name for name, parameter in parameters.items() if "defaultValue" not in parameter} == {"data", "data_version", "name"}


def test_default_arguments_name_every_step() -> None:
    settings, platform = read_settings([], ROOT / "params.yaml")
    assert set(default_arguments(settings, platform)) == {*STEPS, *FURTHER, "params", "previous"}
