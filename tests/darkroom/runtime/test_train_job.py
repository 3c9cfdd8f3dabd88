"""A training on several nodes: its job is created, followed to its end, and removed."""

import json

import pytest

from darkroom.runtime import train_job
from darkroom.runtime.train_job import launcher, on_volume
from darkroom.system.errors import InputError
from darkroom.tracking.tags import POD_NAME, POD_UID, TRAIN_JOB, VOLUME
from darkroom.training import handover

JOB = {"spec": {"trainer": {"args": ["-m", "darkroom.training.worker"], "numNodes": 1, "numProcPerNode": 1}}}
PLACE = ("trainer.kubeflow.org", "v1alpha1", "team", "trainjobs")


class Cluster:
    """A cluster on which a job is in each of these conditions, one after the other."""

    def __init__(self, *conditions):
        self.conditions, self.calls, self.made = list(conditions), [], {}

    def create_namespaced_custom_object(self, *given):
        self.made = given[-1]
        self.calls.append(("create", *given[:-1]))
        return {"metadata": {"name": "darkroom-train-x"}}

    def get_namespaced_custom_object(self, *given):
        self.calls.append(("get", *given))
        kind = self.conditions.pop(0)
        return {"status": {"conditions": [{"type": kind, "status": "True", "message": "too bad"}]}} if kind else {}

    def delete_namespaced_custom_object(self, *given):
        self.calls.append(("delete", *given))


@pytest.fixture(autouse=True)
def pod(monkeypatch, tmp_path):
    monkeypatch.setattr(train_job, "_POLL_S", 0.0)
    for name, value in ((POD_NAME, "step"), (POD_UID, "1-2"), (TRAIN_JOB, json.dumps(JOB)), (VOLUME, str(tmp_path))):
        monkeypatch.setenv(name, value)


def ended(folder, cluster):
    job = launcher(2, 8)(folder, cluster, "team")
    job.start()
    while not job.join_for(0):
        pass
    failure = job.failure()
    job.end()
    return failure


def test_a_job_is_created_for_the_steps_pod_and_removed(tmp_path):
    cluster = Cluster("", "Suspended", "Complete")
    assert ended(tmp_path, cluster) is None
    assert cluster.made["spec"]["trainer"] == {
        "args": ["-m", "darkroom.training.worker", str(tmp_path)],
        "numNodes": 2,
        "numProcPerNode": 8,
    }
    assert cluster.made["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": "step", "uid": "1-2"}]
    named = (*PLACE, "darkroom-train-x")
    assert cluster.calls == [("create", *PLACE), *[("get", *named)] * 3, ("delete", *named)]


def test_a_failure_is_what_a_process_wrote_or_else_what_the_cluster_says(tmp_path):
    assert ended(tmp_path, Cluster("Failed")) == ("internal", "TrainJob darkroom-train-x failed: too bad")
    handover.write_failure(tmp_path, 1, "input", "train.learning_rate is 1e9")
    assert ended(tmp_path, Cluster("Failed")) == ("input", "train.learning_rate is 1e9")


def test_nodes_are_refused_where_there_is_no_cluster(monkeypatch):
    monkeypatch.delenv(TRAIN_JOB)
    with pytest.raises(InputError, match=r"train\.num_nodes"):
        launcher(2, 1)


def test_checkpoints_are_shared_on_the_volume_alone(tmp_path):
    assert on_volume(tmp_path / "checkpoints" / "train-1")
    assert not on_volume(tmp_path.parent)
