"""`darkroom run --runner docker`: every step in a container of the image that `make image` built.

kfp's `DockerRunner` drives the DAG; `pipelines.run.containers` runs the containers. A step sees the project's folder and the
data under the paths that they have outside, runs as the user who started the run, uses this machine's network (the MLflow
server may be on it), and gets the memory, shared memory and GPUs of the `platform` section.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.types import DeviceRequest, Mount
from kfp import local
from kfp.dsl.graph_component import GraphComponent
from kfp.local import docker_task_handler
from kfp.local.status import Status

from darkroom.data_files import needed_folders
from darkroom.system.errors import InputError
from darkroom.system.processes import STDIN
from darkroom.tracking.client import database
from darkroom.tracking.tags import CODE_LABEL, LOCK_LABEL, OWNER, PROJECT_LABEL, VARIABLE_PREFIX
from darkroom.versions.addresses import is_address
from pipelines.params import named_sources
from pipelines.platform import PlatformConfig
from pipelines.run.containers import ENGINE_ERRORS, Limits, one_line, run_container, run_step
from pipelines.run.image import code_hash, recorded_image

_FORWARDED = (
    "MLFLOW_",
    VARIABLE_PREFIX,
    "AWS_",
    "GIT_USERNAME",
    "GIT_PASSWORD",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
)  # beginnings of variables that the steps get
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_NVIDIA = "nvidia.com/gpu"
_WRITE_CHECK = "import os, sys; os.access('.', os.W_OK) or sys.exit('it may not write there')"


@dataclass(frozen=True)
class Containers:
    """Runs a pipeline's steps in containers; see `pipelines.run.local.Runner`.

    Attributes:
        client: The engine.
        image: The image's id.
        environment: Name of the image's layers below the code, for the cache: the code is a part of its keys anyway.
        limits: What a container may use.
        options: What `docker.containers.create` takes, the environment apart.
    """

    client: docker.DockerClient
    image: str
    environment: str
    limits: Limits
    options: Mapping[str, Any] = field(repr=False)

    def prepared(self) -> contextlib.AbstractContextManager[None]:
        """See `Runner`: a container takes nothing from this process."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def ready(self, pipeline: GraphComponent) -> Iterator[local.DockerRunner]:
        """While the block runs, the pipeline names the image, and `_Handler` replaces kfp's handler of containers."""
        containers = [executor["container"] for executor in pipeline.pipeline_spec.deployment_spec["executors"].values()]
        names = [container["image"] for container in containers]
        original = docker_task_handler.DockerTaskHandler
        docker_task_handler.DockerTaskHandler = self._handler
        for container in containers:
            container["image"] = self.environment
        try:
            yield local.DockerRunner(environment=_environment(), **self.options)
        finally:
            docker_task_handler.DockerTaskHandler = original
            for container, name in zip(containers, names, strict=True):
                container["image"] = name

    def _handler(self, full_command: list[str], runner: local.DockerRunner, env_vars: dict[str, str], **_: Any) -> "_Handler":
        return _Handler(self, full_command, {**runner.container_run_args, "environment": env_vars})


@dataclass(frozen=True)
class _Handler:
    """Runs one task; kfp makes one for each."""

    containers: Containers
    command: list[str]
    options: dict[str, Any] = field(repr=False)

    def run(self) -> Status:
        engine = self.containers
        succeeded = run_step(engine.client, engine.image, self.command, engine.limits, **self.options)
        return Status.SUCCESS if succeeded else Status.FAILURE


def containers(source: Path, params: Mapping[str, Mapping[str, Any]], platform: PlatformConfig) -> Containers:
    """Makes sure that steps can run in containers.

    Args:
        source: Where the data is.
        params: Settings, a section a step.
        platform: Image, memory, shared memory, CPUs and accelerators.

    Raises:
        InputError: No engine answers, there is no image or it holds other code, or a container can't be started.
    """
    client = _engine()
    image = _image(client, platform)
    limits = Limits(num_bytes(platform.memory_limit), int(platform.shared_memory_gib * 2**30))
    options = {
        "mounts": _mounts(source, params),
        "working_dir": str(Path.cwd()),
        "user": f"{os.getuid()}:{os.getgid()}",
        "group_add": [str(group) for group in os.getgroups()],
        "network_mode": "host",
        "labels": {PROJECT_LABEL: str(Path.cwd())},
        **_resources(platform, limits),
        **_security(client),
    }
    _check_startable(client, image.id, options)
    layers = "\n".join(image.attrs["RootFS"]["Layers"][:-1])
    return Containers(client, image.id, f"darkroom-{hashlib.sha256(layers.encode()).hexdigest()}", limits, options)


def num_bytes(quantity: str) -> int:
    """The number of a Kubernetes quantity of memory, such as `4Gi` or `500M`; 0 where it is empty."""
    if not quantity:
        return 0
    number, unit = quantity.rstrip("EPTGMKi"), quantity.lstrip("0123456789")
    factor = 2 ** (10 * (list(_UNITS).index(unit[0]) + 1)) if unit.endswith("i") else _UNITS.get(unit, 1)
    return int(number) * factor


def _engine() -> docker.DockerClient:
    try:
        client = docker.from_env()
        client.ping()
    except ENGINE_ERRORS as error:
        address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        reason = one_line(error)
        raise InputError(f"no Docker engine answers at {address} ({reason}): start it, or run without --runner docker") from None
    return client


def _image(client: docker.DockerClient, platform: PlatformConfig) -> Any:
    """The image, which is there and holds the code of this folder."""
    name = platform.image or recorded_image()
    try:
        image = client.images.get(name)
    except ENGINE_ERRORS as error:
        remedy = f"`docker pull {name}`" if platform.image else "run `make image`"
        raise InputError(f"the Docker engine has no image {name} ({one_line(error)}): {remedy}") from None
    labels = image.labels
    if labels.get(CODE_LABEL) != code_hash(labels.get(LOCK_LABEL, "requirements.lock")):
        further = f", push it, and name it in platform.image instead of {name}" if platform.image else ""
        raise InputError(f"the code has changed since the image {name[:19]} was built: run `make image`{further}")
    return image


def _mounts(source: Path, params: Mapping[str, Mapping[str, Any]]) -> list[Mount]:
    """The project's folder and the tracking database to work in; the data, files and folders that settings name to read from."""
    store = database()
    writable = {Path.cwd(), *([store.parent] if store else [])}
    texts = [Path(value) for section in params.values() for value in section.values() if isinstance(value, str)]
    named = [path for path in texts if path.is_file() or (path.is_absolute() and path.is_dir())]
    sources = [path for path in (source, *named_sources(params)) if not is_address(path)]
    data = {folder for path in sources for folder in needed_folders(path)}
    readable = {*data, *(found for path in named for found in (path.absolute(), path.resolve()))} - writable
    mounts = {**dict.fromkeys(sorted(readable), True), **dict.fromkeys(sorted(writable), False)}
    return [Mount(str(path), str(path.resolve()), type="bind", read_only=read_only) for path, read_only in mounts.items()]


def _resources(platform: PlatformConfig, limits: Limits) -> dict[str, Any]:
    options: dict[str, Any] = {"shm_size": limits.shared_memory_bytes}
    if limits.memory_bytes:
        options |= {"mem_limit": limits.memory_bytes, "memswap_limit": limits.memory_bytes}
    if platform.cpu_limit:
        milli = platform.cpu_limit.endswith("m")
        options["nano_cpus"] = int(platform.cpu_limit[:-1]) * 10**6 if milli else int(float(platform.cpu_limit) * 10**9)
    if platform.accelerator_count:
        if platform.accelerator_type != _NVIDIA:
            raise InputError(
                f"platform.accelerator_type is {platform.accelerator_type!r}: --runner docker passes on {_NVIDIA} only; "
                "set platform.accelerator_count to 0"
            )
        options["device_requests"] = [DeviceRequest(count=platform.accelerator_count, capabilities=[["gpu"]])]
    return options


def _security(client: docker.DockerClient) -> dict[str, Any]:
    """No new privileges; where SELinux confines containers, they may read the user's files without relabelling them."""
    confined = any("selinux" in option for option in client.info().get("SecurityOptions") or [])
    return {"security_opt": ["no-new-privileges", *(["label=disable"] if confined else [])]}


def _check_startable(client: docker.DockerClient, image: str, options: Mapping[str, Any]) -> None:
    """Starts a container as the steps will: what the engine can't give is reported before the run starts."""
    printed: list[str] = []
    try:
        exit_state = run_container(client, image, ["python", "-c", _WRITE_CHECK], printed.append, **options)
    except ENGINE_ERRORS as error:
        raise InputError(f"Docker can't start a container as the settings of `platform` ask: {one_line(error)}") from None
    if exit_state.status != 0:
        last = printed[-1] if printed else f"it ended with status {exit_state.status}"
        raise InputError(f"a container of the image {image[:19]} can't work in {Path.cwd()} as user {options['user']}: {last}")


def _environment() -> dict[str, str]:
    forwarded = {name: value for name, value in os.environ.items() if name.startswith(_FORWARDED)}
    return {**forwarded, OWNER: STDIN}
