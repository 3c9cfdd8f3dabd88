"""The training pipeline for a cluster: the same steps, with image, resources, secrets and volume from the platform settings.

`compile_pipeline` writes the YAML that Kubeflow runs. Nothing of the platform is an argument of a step, so nothing of it
decides whether the cache answers, except the image.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from google.protobuf import json_format
from kfp import dsl, kubernetes
from kfp.dsl.graph_component import GraphComponent
from kfp.dsl.pipeline_context import Pipeline
from kfp.dsl.pipeline_task import PipelineTask

from components.tune.space import check_cluster
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.tracking.tags import CHECKPOINTS, CODE_VERSION, KUBEFLOW_RUN, VECTORS, VOLUME
from darkroom.versions.code import code_version
from pipelines import params
from pipelines.platform import PlatformConfig, is_digest
from pipelines.submit import several_nodes, several_workers
from pipelines.submit.exit_task import ending_component
from pipelines.training import training

PIXELS = {"images", "augmented_images"}  # inputs and outputs that hold images
TRAINING = {"pretrain", "tune", "train", "prune"}
RESUMABLE = {*TRAINING, "clean"}  # steps that keep checkpoints
ACCELERATED = {*TRAINING, "embed"}  # steps that an accelerator helps
_RUN_LABEL = "metadata.labels['pipeline/runid']"
CONTINUING = {"plan", "split", "register"}  # tasks of a retraining that write or read the earlier assignment to splits


class Spread(NamedTuple):
    """Over how much of a cluster the steps are spread that can be.

    Attributes:
        num_nodes: `train.num_nodes`.
        num_workers: Tasks that run the trials of a search.
    """

    num_nodes: int = 1
    num_workers: int = 1


ALONE = Spread()


def spread_of(settings: Mapping[str, Mapping[str, Any]]) -> Spread:
    """What the settings, a section a step and complete, say of it."""
    tune = settings["tune"]
    return Spread(settings["train"]["num_nodes"], tune["num_workers"] if tune["enabled"] else 1)


def compile_pipeline(
    output: Path,
    platform: PlatformConfig,
    arguments: Mapping[str, Any],
    pipeline: GraphComponent = training,
    *,
    caching: bool = True,
    spread: Spread = ALONE,
) -> None:
    """Writes the pipeline as YAML; the same inputs give the same bytes.

    Args:
        output: The file, which ends in `.yaml`.
        platform: Where and how the steps run.
        arguments: Values that a run has where it is started without its own, by the names of the pipeline's parameters.
        pipeline: The training pipeline, or the retraining pipeline.
        caching: Whether the steps may be taken from the cluster's cache.
        spread: Over how much of the cluster the steps of the runs are spread.

    Raises:
        InputError: The image is missing, or is named by a tag though `platform.allow_tag` is false; or several nodes, or tasks that do a
            part of the images each, share no volume.
    """
    _check(platform)  # before a folder is made
    placed = cluster_pipeline(platform, arguments, pipeline, caching=caching, spread=spread)
    specs = [json_format.MessageToDict(spec) for spec in (placed.pipeline_spec, placed.platform_spec)]
    with whole(output) as draft:  # not by kfp's compiler: its comment differs each time, and it writes YAML in Python, not in C
        draft.write_text(yaml.dump_all(specs, Dumper=yaml.CSafeDumper, sort_keys=True), encoding="utf-8")


def default_arguments(settings: Mapping[str, Mapping[str, Any]], platform: PlatformConfig) -> dict[str, Any]:
    """The arguments that the settings decide, so that a run that is started on Kubeflow's page only needs the data and a name.

    Args:
        settings: A section a step, complete.
        platform: Where the steps run, whose accelerators decide how many processes train where `train.num_processes` is auto.

    Raises:
        InputError: A search of settings would keep its trials in an SQLite file, or several tasks share none.
    """
    if settings["tune"]["enabled"]:
        check_cluster(settings["tune"]["storage"], settings["tune"]["num_workers"], on_cluster=True)
    return {**params.arguments(params.for_gpus(settings, platform.accelerator_count)), "previous": ""}


def cluster_pipeline(
    platform: PlatformConfig,
    arguments: Mapping[str, Any],
    pipeline: GraphComponent = training,
    *,
    caching: bool = True,
    spread: Spread = ALONE,
) -> GraphComponent:
    """The pipeline, with every task placed on the platform, and a last task that reports how it ended."""
    _check(platform)
    signature = inspect.signature(pipeline.pipeline_func)

    def on_cluster(*values: Any) -> None:  # its docstring, which Kubeflow shows, is the pipeline's: see below
        channels = dict(zip(signature.parameters, values, strict=True))
        ending = ending_component(name=channels["name"], run=dsl.PIPELINE_JOB_ID_PLACEHOLDER, endpoint=platform.endpoint)
        with dsl.ExitHandler(ending.set_display_name("ending").set_caching_options(False), name="training"):
            pipeline.pipeline_func(*channels.values())  # without its outputs: Kubeflow passes none out of an exit handler
            if spread.num_workers > 1:
                searching = next(task for task in _tasks() if step_of(task) == several_workers.STEP)
                several_workers.add_workers(searching, spread.num_workers)
            for step in several_workers.DIVIDED if platform.num_parts > 1 else ():
                first = next(task for task in _tasks() if step_of(task) == step)  # of the run's own data
                several_workers.add_parts(first, step, platform.num_parts)
        for task in _tasks():
            _configure(task, platform, final=task is ending, continuing=pipeline is not training)
            if spread.num_nodes > 1 and step_of(task) in several_nodes.STEPS:
                several_nodes.add_train_job(task, platform, spread.num_nodes)
            if not caching:
                task.set_caching_options(False)

    parameters = [_with_default(parameter, arguments) for parameter in signature.parameters.values()]
    on_cluster.__signature__ = signature.replace(parameters=parameters, return_annotation=signature.empty)  # type: ignore[attr-defined]
    on_cluster.__doc__ = pipeline.pipeline_func.__doc__
    placed: GraphComponent = dsl.pipeline(name=pipeline.name, description=pipeline.description)(on_cluster)
    return placed


def notes(platform: PlatformConfig) -> list[str]:
    """What a user should know about the platform before the first run, a sentence each."""
    found = []
    if not platform.volume:
        found.append(
            "no volume is named (platform.volume): images travel from step to step through the artifact store, and embed computes all of "
            "them in each run"
        )
    if not (platform.volume or platform.checkpoints):
        found.append(
            "nothing keeps checkpoints (platform.volume, platform.checkpoints): a step that is killed can't resume, it starts again "
            "from its beginning"
        )
    variables = {name for given in (*platform.secrets.values(), *platform.config_maps.values()) for name in given.values()}
    if "MLFLOW_TRACKING_URI" not in variables:
        found.append("nothing gives the steps MLFLOW_TRACKING_URI (platform.config_maps): without Kubeflow's MLflow plug-in they fail")
    return found


def _check(platform: PlatformConfig) -> None:
    check_image(platform)
    several_workers.check_parts(platform)


def check_image(platform: PlatformConfig) -> None:
    """Raises `InputError` unless the platform names an image by digest, or by a tag where that is allowed."""
    if not platform.image:
        raise InputError("platform.image is empty: name the image in which the steps run, as `make image` prints it (name@sha256:...)")
    if not (platform.allow_tag or is_digest(platform.image)):
        raise InputError(
            f"platform.image is {platform.image!r}, which is no digest: the cache would answer for another image of that tag; "
            "give name@sha256:..., or set platform.allow_tag=true"
        )


def _with_default(parameter: inspect.Parameter, arguments: Mapping[str, Any]) -> inspect.Parameter:
    default = arguments.get(parameter.name, inspect.Parameter.empty)
    return parameter.replace(default=default, kind=inspect.Parameter.KEYWORD_ONLY)  # so that any of them may have one


def _tasks() -> list[PipelineTask]:
    """The tasks of the pipeline that is being made."""
    return list(Pipeline.get_default_pipeline().tasks.values())


def step_of(task: PipelineTask) -> str:
    """The step that a task runs."""
    name: str = task.component_spec.name
    return name.removesuffix("-component")


def _configure(task: PipelineTask, platform: PlatformConfig, *, final: bool, continuing: bool) -> None:
    """Sets where and how one task runs."""
    step = step_of(task)
    task.set_container_image(platform.image)
    _set_resources(task, platform)
    _set_references(task, platform)
    kubernetes.use_field_path_as_env(task, KUBEFLOW_RUN, _RUN_LABEL)
    kubernetes.set_timeout(task, platform.timeout_s)
    kubernetes.empty_dir_mount(task, "scratch", "/tmp")  # so that nothing is written into the image
    if final:
        return
    task.set_env_variable(CODE_VERSION, code_version(step))
    task.set_retry(platform.num_retries, f"{platform.retry_wait_s}s", platform.retry_factor, f"{_retry_limit_s(platform)}s")
    if PIXELS & {*(task.component_spec.inputs or {}), *(task.component_spec.outputs or {})}:
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", f"{round(platform.shared_memory_gib * 1024)}Mi")
        _mount_volume(task, platform)
    elif continuing and step in CONTINUING:
        _mount_volume(task, platform)
    if step in RESUMABLE and (checkpoints := platform.checkpoints or _on_volume(platform, "checkpoints")):
        task.set_env_variable(CHECKPOINTS, checkpoints)
    if step in _keeping(platform) and (vectors := _on_volume(platform, "vectors")):
        task.set_env_variable(VECTORS, vectors)
    if step in ACCELERATED and platform.accelerator_count:
        task.set_accelerator_type(platform.accelerator_type).set_accelerator_limit(platform.accelerator_count)


def _keeping(platform: PlatformConfig) -> frozenset[str]:
    """The steps that keep from run to run what they made of images, and all that are divided where tasks do parts for them."""
    return frozenset({"embed", "clean", "tune", "train", "prune", *(several_workers.DIVIDED if platform.num_parts > 1 else ())})


def _on_volume(platform: PlatformConfig, name: str) -> str:
    """The path of a folder on the volume; empty where there is none."""
    return f"{platform.mount_path}/{name}" if platform.volume else ""


def _retry_limit_s(platform: PlatformConfig) -> int:
    """Seconds within which Argo may retry a step. It counts the time that the step ran, so a lower limit would prevent every retry."""
    waits = sum(platform.retry_wait_s * platform.retry_factor**number for number in range(platform.num_retries))
    return round((platform.num_retries + 1) * platform.timeout_s + waits)


def _set_resources(task: PipelineTask, platform: PlatformConfig) -> None:
    for value, set_value in (
        (platform.cpu_request, task.set_cpu_request),
        (platform.cpu_limit, task.set_cpu_limit),
        (platform.memory_request, task.set_memory_request),
        (platform.memory_limit, task.set_memory_limit),
    ):
        if value:
            set_value(value)
    for label, value in platform.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in platform.tolerations:
        kubernetes.add_toleration(task, **{name: value for name, value in toleration.model_dump().items() if value})


def _set_references(task: PipelineTask, platform: PlatformConfig) -> None:
    """Refers to secrets and config maps by name; only the cluster knows their content."""
    for secret, variables in platform.secrets.items():
        kubernetes.use_secret_as_env(task, secret, variables)
    for config_map, variables in platform.config_maps.items():
        kubernetes.use_config_map_as_env(task, config_map, variables)
    for secret, folder in platform.secret_files.items():
        kubernetes.use_secret_as_volume(task, secret, folder)
    if platform.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, platform.image_pull_secrets)


def _mount_volume(task: PipelineTask, platform: PlatformConfig) -> None:
    if platform.volume:
        kubernetes.mount_pvc(task, platform.volume, platform.mount_path)
        task.set_env_variable(VOLUME, platform.mount_path)
