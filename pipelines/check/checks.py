"""The checks of `darkroom doctor`: the MLflow server, the data's remote, Docker, the GPU, disk space, and Kubeflow."""

import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from darkroom.system.errors import AccessError, InputError
from darkroom.system.secrets import redact
from darkroom.system.web import retrying, root_cause
from darkroom.tracking.client import database, server_version, shown, tracking_uri, use_store
from darkroom.tracking.log import probe_artifacts
from darkroom.tracking.sqlite_store import moved_from
from darkroom.versions.repository import own_repository
from pipelines.check.doctor import Check, Finding
from pipelines.check.own_code import check_code

_GIB = 2**30
_DISK_NEEDED, _DISK_ENOUGH = 1 * _GIB, 10 * _GIB
_SHM_ENOUGH = 1 * _GIB
_NOT_CHECKED = Finding("warning", "not checked: the store can't be used, or refuses this user", "correct that first")
_DOCKER_SOCKET = Path("/var/run/docker.sock")


def all_checks(timeout_s: float, endpoint: str, ca_file: str = "") -> dict[str, Check]:
    """Every check by its name.

    Args:
        timeout_s: What a check may wait for one answer.
        endpoint: Address of Kubeflow Pipelines, or empty.
        ca_file: Certificate of the authority that signed the endpoint's, or empty for the known ones.
    """
    wait_s = max(1, int(timeout_s / 2))
    return {
        "code": check_code,
        "tracking": lambda: tracking(wait_s),
        "credentials": lambda: credentials(wait_s),
        "artifacts": lambda: artifacts(wait_s),
        "data remote": data_remote,
        "docker": lambda: docker(wait_s),
        "gpu": gpu,
        "disk": disk,
        "shared memory": shared_memory,
        "kubeflow": lambda: kubeflow(endpoint, wait_s, ca_file),
    }


def import_libraries() -> None:
    """Imports what the checks need: it takes seconds, which no check's time should contain, and threads must not do it at once."""
    import docker  # noqa: F401
    import dvc.repo  # noqa: F401
    import mlflow.tracking  # noqa: F401
    import torch  # noqa: F401


def tracking(timeout_s: int) -> Finding:
    """Whether the MLflow server answers, in a version that this client understands."""
    uri, client = tracking_uri(), version("mlflow")
    if not _is_server(uri):
        return _database(f"kept in {shown(uri)}, no server needed (MLflow {client})")
    try:
        server = server_version(timeout_s)
    except AccessError:
        return Finding("ok", f"an MLflow server answers at {shown(uri)}; it shows its version only to users who are logged in")
    except InputError as error:
        return _failure(error, "start the server, or correct MLFLOW_TRACKING_URI")
    found = f"MLflow {server} at {shown(uri)}, this client is {client}"
    major, minor = (int(part) for part in server.split(".")[:2])
    client_major, client_minor = (int(part) for part in client.split(".")[:2])
    if major != client_major:
        return Finding("failed", found, f"use a server of version {client_major}, see docs/mlflow.md")
    if minor < client_minor:
        return Finding("warning", found, f"upgrade the server to {client_major}.{client_minor}, see docs/mlflow.md")
    return Finding("ok", found)


def _database(how: str) -> Finding:
    """Whether the store can be used that this machine reaches without a server, and whether it was moved."""
    path = database()
    if path and not path.exists():
        return Finding("ok", f"runs will be {how}")
    try:
        before = moved_from(path) if path else []
        use_store()
    except InputError as error:
        return _failure(error, "correct MLFLOW_TRACKING_URI, or move the file away")
    if before:
        return Finding(
            "warning", f"runs are {how}, which was moved or copied from {', '.join(map(str, before))}", "nothing: it was told its new place"
        )
    return Finding("ok", f"runs are {how}")


def credentials(timeout_s: int) -> Finding:
    """Whether the server lets this user in."""
    uri = tracking_uri()
    if not _is_server(uri):
        return Finding("not set up", "no server, so no credentials")
    try:
        server_version(timeout_s)
    except AccessError as error:
        return _failure(error, "correct what the message names")
    except InputError:
        return _NOT_CHECKED
    name = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    return Finding("ok", f"the server lets {repr(name) if name else 'this user'} in")


def artifacts(timeout_s: int) -> Finding:
    """Whether a file can be written to the store of artifacts, read back and removed."""
    path, server = database(), _is_server(tracking_uri())
    if path:
        folder = path.parent
        if not os.access(folder, os.W_OK):
            return Finding("failed", f"{folder} can't be written", "work in a folder of your own, or correct its permissions")
        return Finding("ok", f"kept in {folder / 'mlartifacts'}")
    name = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    try:
        server_version(timeout_s) if server else use_store()
    except InputError:
        return _NOT_CHECKED
    try:
        where = probe_artifacts(f"darkroom-doctor-{name}" if name else "darkroom-doctor")
    except Exception as error:  # each kind of store (boto3, azure, requests, the file system) raises its own; it becomes the finding
        return Finding("failed", _reason(error), "let this user write, and see the server's log; docs/mlflow.md lists the causes")
    return Finding("ok", f"a file was written, read back and removed ({where})")


def data_remote() -> Finding:
    """Whether DVC's remote of this project can be reached."""
    from dvc.config import NoRemoteError
    from dvc.exceptions import NotDvcRepoError

    try:
        with own_repository() as repo:
            remote = repo.cloud.get_remote()
            if remote.fs.protocol == "local" and not Path(remote.path).is_dir():
                return Finding("failed", f"the DVC remote {remote.path} does not exist", "mount or make it, or `dvc remote modify`")
            _check_remote(remote)
            return Finding("ok", f"the DVC remote {shown(remote.fs.unstrip_protocol(remote.path))} answers")
    except (NotDvcRepoError, NoRemoteError):
        return Finding("not set up", "no DVC remote", "to share data versions: dvc remote add -d NAME ADDRESS")
    except Exception as error:  # DVC passes on what its remote's library raises, without a common type; it becomes the finding
        return Finding(
            "failed", f"the DVC remote can't be reached: {_reason(error)}", "correct its address or its credentials: dvc remote list"
        )


def _check_remote(remote: Any) -> None:
    """Raises the error of a remote that can't be reached; one that answers that it is still empty is fine."""
    try:
        remote.fs.info(remote.path)
    except FileNotFoundError as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, FileNotFoundError):
            raise error.__cause__ from None


def docker(timeout_s: int) -> Finding:
    """Whether a Docker engine answers."""
    from docker import DockerClient
    from docker.errors import DockerException

    asked_for = os.environ.get("DOCKER_HOST", "")
    if not asked_for and not _DOCKER_SOCKET.exists():
        return Finding("not set up", "no Docker engine", "for --runner docker, install one")
    try:
        client = DockerClient.from_env(timeout=timeout_s)
        engine = client.version()
    except (DockerException, OSError) as error:
        state = "failed" if asked_for else "warning"
        return Finding(state, f"Docker does not answer: {_reason(error)}", "start its engine, or join the group docker")  # type: ignore[arg-type]
    return Finding("ok", f"Docker {engine['Version']}")


def gpu() -> Finding:
    """Whether a GPU is there, and torch can compute on it."""
    cards = sorted(Path("/dev").glob("nvidia[0-9]*"))
    if not cards and not shutil.which("nvidia-smi"):
        return Finding("not set up", "no GPU; training computes on the CPU")
    import torch

    if not torch.cuda.is_available():
        return Finding(
            "failed", f"{len(cards)} GPUs, but torch {torch.__version__} sees none", "install a driver that this torch's CUDA fits"
        )
    try:
        numbers = torch.ones(256, 256, device="cuda")
        value = float((numbers @ numbers).sum())
    except RuntimeError as error:
        return Finding("failed", f"{torch.cuda.get_device_name()} can't compute: {_reason(error)}", "see nvidia-smi for who uses it")
    if value != 256.0**3:
        return Finding("failed", f"{torch.cuda.get_device_name()} computes wrong", "replace it")
    free, total = torch.cuda.mem_get_info()
    found = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    return Finding("ok", found)


def disk(folder: Path = Path(), needed: int = _DISK_NEEDED, enough: int = _DISK_ENOUGH) -> Finding:
    """Whether there is space for runs in a folder, in bytes."""
    free = shutil.disk_usage(folder).free
    found = f"{free / _GIB:.1f} GiB free for runs in {folder.absolute()}"
    remedy = "free disk space: runs/ and what a container engine keeps grow"
    if free < needed:
        return Finding("failed", found, remedy)
    return Finding("warning", found, remedy) if free < enough else Finding("ok", found)


def shared_memory(folder: Path = Path("/dev/shm"), enough: int = _SHM_ENOUGH) -> Finding:
    """Whether processes that load images have memory to share, in bytes."""
    if not folder.is_dir():
        return Finding("not set up", f"there is no {folder}")
    free = shutil.disk_usage(folder).free
    found = f"{free / _GIB:.1f} GiB free in {folder}"
    if free < enough:
        return Finding("warning", found, "give the container more: docker run --shm-size 2g, or platform.shared_memory_gib on Kubeflow")
    return Finding("ok", found)


def kubeflow(endpoint: str, timeout_s: int, ca_file: str = "") -> Finding:
    """Whether Kubeflow Pipelines answers at its address."""
    if not endpoint:
        return Finding("not set up", "no address of Kubeflow", "to submit runs, set platform.endpoint or KF_PIPELINES_ENDPOINT")
    address = f"{endpoint.rstrip('/')}/apis/v2beta1/healthz"
    try:
        with retrying(0, 0) as session:
            status = session.get(address, timeout=timeout_s, verify=ca_file or True).status_code
    except (OSError, ValueError) as error:
        found = f"Kubeflow does not answer at {shown(endpoint)}: {_reason(root_cause(error))}"
        return Finding("failed", found, "correct the address, or make it reachable")
    if status in (401, 403):
        return Finding("ok", f"Kubeflow answers at {shown(endpoint)} and wants credentials")
    if status >= 400:
        return Finding("failed", f"{shown(endpoint)} answers with status {status}", "see whether this is Kubeflow Pipelines' address")
    return Finding("ok", f"Kubeflow Pipelines at {shown(endpoint)}")


def _is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _failure(error: InputError, remedy: str) -> Finding:
    """A failed check: the error's problem, with its own remedy where it has one."""
    return Finding("failed", error.problem, error.remedy or remedy)


def _reason(error: BaseException) -> str:
    """What a library's error says, in one line and without secrets."""
    reason = getattr(error, "reason", error)
    return " ".join(redact(str(reason)).split())[:300]
