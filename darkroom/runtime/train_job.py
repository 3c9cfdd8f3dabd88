"""A training on several nodes: a TrainJob of Kubeflow Trainer, which a step creates, follows, and removes.

Its pods run `torchrun -m darkroom.training.worker` on a folder of the volume; Trainer tells torchrun of the other nodes. The job belongs
to the step's pod, so that the cluster removes it with that.
"""

import copy
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError
from darkroom.tracking.tags import POD_NAME, POD_UID, TRAIN_JOB, VOLUME
from darkroom.training import handover

GROUP, VERSION, KIND, PLURAL = "trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs"
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_POLL_S = 5.0


def launcher(num_nodes: int, num_processes: int) -> Callable[[Path], "TrainJob"]:
    """Starts the TrainJob that the pipeline was compiled with, for the work in a folder.

    Args:
        num_nodes: How many nodes.
        num_processes: Of each.

    Raises:
        InputError: There is none: this is no step on Kubeflow, or there is no volume that the nodes could share.
    """
    if not os.environ.get(TRAIN_JOB) or not os.environ.get(VOLUME):
        raise InputError(
            "train.num_nodes is above 1, and several nodes train on Kubeflow alone (darkroom submit), with a volume that all of them can "
            "write to (platform.volume): set train.num_nodes to 1 here"
        )
    job = json.loads(os.environ[TRAIN_JOB])
    job["spec"]["trainer"] |= {"numNodes": num_nodes, "numProcPerNode": num_processes}
    return partial(TrainJob, job)


def on_volume(path: Path) -> bool:
    """Whether all nodes see a folder."""
    return path.resolve().is_relative_to(Path(os.environ[VOLUME]).resolve())


def shared_folder() -> Path:
    """The folder of the volume below which the nodes find their work."""
    folder = Path(os.environ[VOLUME]) / "training"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def job_for(job: Mapping[str, Any], folder: Path, owner: Mapping[str, str]) -> dict[str, Any]:
    """A TrainJob for the work in a folder.

    Args:
        job: As compiled.
        folder: Where the work is, which is named in the job.
        owner: Name and uid of the pod that it belongs to, or nothing.
    """
    made = copy.deepcopy(dict(job))
    made["metadata"] = {"generateName": "darkroom-train-"}
    if owner:
        made["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", **owner}]
    made["spec"]["trainer"]["args"] = [*made["spec"]["trainer"]["args"], str(folder)]
    return made


class TrainJob:
    """The processes of a TrainJob; see `darkroom.training.launch.Launch`.

    Args:
        job: As compiled.
        folder: Where their work is.
        api: Kubernetes's `CustomObjectsApi`; that of the cluster which this pod is in where none is given.
        namespace: Of the job; that of this pod where none is given.
    """

    def __init__(self, job: Mapping[str, Any], folder: Path, api: Any = None, namespace: str = "") -> None:
        self._job, self._folder, self._api = job, folder, api or _api()
        self._place = (GROUP, VERSION, namespace or _NAMESPACE.read_text(encoding="utf-8").strip(), PLURAL)
        self._name, self._asked = "", -math.inf
        self._ended: Mapping[str, Any] = {}

    def start(self) -> None:
        """Creates the job."""
        pod = {"name": os.environ.get(POD_NAME, ""), "uid": os.environ.get(POD_UID, "")}
        made = self._api.create_namespaced_custom_object(*self._place, job_for(self._job, self._folder, pod if all(pod.values()) else {}))
        self._name = made["metadata"]["name"]
        print(f"TrainJob {self._name} trains on {self._job['spec']['trainer']['numNodes']} nodes", flush=True)

    def join_for(self, seconds: float) -> bool:
        """Waits, and asks the cluster every few seconds."""
        time.sleep(seconds)
        if not self._ended and time.monotonic() - self._asked >= _POLL_S:
            self._asked = time.monotonic()
            found = self._api.get_namespaced_custom_object(*self._place, self._name)
            conditions = found.get("status", {}).get("conditions", [])
            ends = [one for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True"]
            self._ended = ends[0] if ends else {}
        return bool(self._ended)

    def failure(self) -> tuple[str, str] | None:
        """What the processes wrote of it, or else what the job says."""
        if self._ended["type"] == "Complete":
            return None
        return handover.first_failure(self._folder) or ("internal", f"TrainJob {self._name} failed: {self._ended.get('message', '')}")

    def end(self) -> None:
        """Removes the job, and its pods with it."""
        if self._name:
            self._api.delete_namespaced_custom_object(*self._place, self._name)


def _api() -> Any:
    from kubernetes import client, config  # type: ignore[import-untyped] # takes a second

    config.load_incluster_config()
    return client.CustomObjectsApi()
