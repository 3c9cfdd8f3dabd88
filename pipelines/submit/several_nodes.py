"""The TrainJob by which `train` and `tune` train on several nodes: image, resources and volume are those of the steps."""

import json
from typing import Any

from kfp import kubernetes
from kfp.dsl.pipeline_task import PipelineTask

from darkroom.runtime.train_job import GROUP, KIND, VERSION
from darkroom.system.errors import InputError
from darkroom.tracking.tags import POD_NAME, POD_UID, TRAIN_JOB
from pipelines.platform import PlatformConfig

STEPS = {"train", "tune"}
NODE = "node"  # what Trainer's runtimes for torch call the job and the container of each node


def add_train_job(task: PipelineTask, platform: PlatformConfig, num_nodes: int) -> None:
    """Lets a step train on several nodes.

    Args:
        task: The step's.
        platform: Where the steps run.
        num_nodes: How many.

    Raises:
        InputError: No volume is named.
    """
    task.set_env_variable(TRAIN_JOB, json.dumps(train_job(platform, num_nodes), sort_keys=True))
    kubernetes.use_field_path_as_env(task, POD_NAME, "metadata.name")
    kubernetes.use_field_path_as_env(task, POD_UID, "metadata.uid")


def train_job(platform: PlatformConfig, num_nodes: int) -> dict[str, Any]:
    """A TrainJob without its name, and without the folder of its work.

    Raises:
        InputError: No volume is named.
    """
    if not platform.volume:
        raise InputError(f"train.num_nodes is {num_nodes}, and the nodes share no volume", "name one in platform.volume (ReadWriteMany)")
    trainer = {
        "image": platform.image,
        "command": ["torchrun"],
        "args": ["-m", "darkroom.training.worker"],
        "numNodes": num_nodes,
        "numProcPerNode": max(1, platform.accelerator_count),
        "resourcesPerNode": _resources(platform),
    }
    job = {"name": NODE, "template": {"spec": {"template": {"spec": _pod(platform)}}}}
    patch = {"manager": f"{GROUP}/darkroom", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}}}
    runtime = {"apiGroup": GROUP, "kind": "ClusterTrainingRuntime", "name": platform.train_runtime}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "spec": {"runtimeRef": runtime, "trainer": trainer, "activeDeadlineSeconds": platform.timeout_s, "runtimePatches": [patch]},
    }


def _resources(platform: PlatformConfig) -> dict[str, dict[str, str]]:
    gpus: dict[str, str] = {platform.accelerator_type: str(platform.accelerator_count)} if platform.accelerator_count else {}
    asked = {"cpu": platform.cpu_request, "memory": platform.memory_request}
    most = {"cpu": platform.cpu_limit, "memory": platform.memory_limit}
    found = {
        "requests": {name: value for name, value in asked.items() if value},
        "limits": {name: value for name, value in most.items() if value} | gpus,
    }
    return {name: value for name, value in found.items() if value}


def _pod(platform: PlatformConfig) -> dict[str, Any]:
    memory = {"medium": "Memory", "sizeLimit": f"{round(platform.shared_memory_gib * 1024)}Mi"}
    volumes: dict[str, tuple[str, dict[str, Any]]] = {
        "darkroom": (platform.mount_path, {"persistentVolumeClaim": {"claimName": platform.volume}}),
        "shared-memory": ("/dev/shm", {"emptyDir": memory}),
        "scratch": ("/tmp", {"emptyDir": {}}),
    }
    mounts = [{"name": name, "mountPath": path} for name, (path, _) in volumes.items()]
    tolerations = [{name: value for name, value in one.model_dump().items() if value} for one in platform.tolerations]
    pod = {
        "volumes": [{"name": name, **source} for name, (_, source) in volumes.items()],
        "containers": [{"name": NODE, "volumeMounts": mounts}],
        "nodeSelector": dict(platform.node_selector),
        "tolerations": tolerations,
        "imagePullSecrets": [{"name": name} for name in platform.image_pull_secrets],
    }
    return {name: value for name, value in pod.items() if value}
