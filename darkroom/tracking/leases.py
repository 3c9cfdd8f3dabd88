"""Leases: of all the runs that could do the same work at the same time, one does it.

Work is named by a key, which is a tag of the run. A run that is to do the work only if no other does requests a lease: it is
made with the lease `asks`, and `request` changes that to `holds`, or returns the run that has the lease. A run whose process has
ended has no lease, so nothing has to be cleaned up after a crash.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from darkroom.system.processes import is_dead, owner_tags
from darkroom.tracking.client import client
from darkroom.tracking.election import Rank, elect
from darkroom.tracking.search import has_tag, running, search_runs, tag_is
from darkroom.tracking.tags import ASKS, HOLDS, HOST, KUBEFLOW_TAG, LEASE, PID, WORK_KEY

ASKING_S = 600.0  # a run that has asked for longer has failed to end its request
ABANDONED_S = 48 * 3600.0  # after this a run on another machine, whose process can't be seen from here, counts as ended
POLL_S = 0.3


@dataclass(frozen=True)
class Lease:
    """A run with a key.

    Attributes:
        run_id: Its id.
        status: MLflow's: `RUNNING`, `FINISHED`, `FAILED`, `KILLED`.
        started: Seconds since 1970.
        tags: All its tags.
    """

    run_id: str
    status: str
    started: float
    tags: Mapping[str, str]

    @property
    def is_active(self) -> bool:
        """Whether its run is in progress, as far as can be seen from here."""
        if self.status != "RUNNING" or is_dead(self.tags):
            return False
        age = time.time() - self.started
        if self.tags.get(LEASE) == ASKS:
            return age < ASKING_S
        return age < ABANDONED_S or self.tags.get(HOST) == owner_tags()[HOST]

    @property
    def rank(self) -> tuple[bool, float, str]:
        """The order in which runs get the lease: the one that holds it, then by the time of their request."""
        return (self.tags.get(LEASE) == ASKS, self.started, self.run_id)

    def who(self) -> dict[str, str]:
        """The process that carries the run out: `run_id`, `host`, `pid`, `since`."""
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.started))
        return {"run_id": self.run_id, "host": self.tags.get(HOST, "unknown"), "pid": self.tags.get(PID, "unknown"), "since": since}


class TakenError(Exception):
    """Another run has the lease."""

    def __init__(self, other: Lease) -> None:
        super().__init__(f"run {other.run_id} has the lease")
        self.other = other


def leases(experiment: str, key: str) -> list[Lease]:
    """All runs of an experiment with a key, the first one first."""
    found = client().get_experiment_by_name(experiment)
    if found is None:
        return []
    runs = search_runs(tag_is(WORK_KEY, key), [found.experiment_id])
    known = [Lease(run.info.run_id, run.info.status, run.info.start_time / 1000, dict(run.data.tags)) for run in runs]
    return sorted(known, key=lambda lease: (lease.started, lease.run_id))


def request(run_id: str, experiment: str, key: str) -> Lease | None:
    """Requests the lease on the work of a key for a run that was made with `asks`.

    Of several that ask at once exactly one gets it, even if their clocks differ: a run withdraws in favour of one that holds the
    lease and of an earlier one, and waits until later ones have withdrawn or hold it.

    Args:
        run_id: The run.
        experiment: Its experiment.
        key: The work.

    Returns:
        The run that has the lease; nothing where this one has it now.
    """
    found: dict[str, Lease] = {}

    def others() -> dict[str, Rank]:
        found.clear()
        found.update({lease.run_id: lease for lease in leases(experiment, key)})
        return {other.run_id: other.rank for other in found.values() if other.is_active and other.run_id != run_id}

    others()
    first = elect(found[run_id].rank, others, queue=False, poll_s=POLL_S)
    if first:
        return found[first]
    client().set_tag(run_id, LEASE, HOLDS)
    return None


def withdraw(run_id: str) -> None:
    """Deletes a run that did not get the lease: it did nothing, so it should not be listed."""
    store = client()
    store.set_terminated(run_id, "KILLED")
    store.delete_run(run_id)


def end_leases(experiment: str, kubeflow_run: str, status: str) -> None:
    """Ends the runs whose lease a run on Kubeflow still has.

    Args:
        experiment: The experiment.
        kubeflow_run: Kubeflow's id of the run.
        status: `FINISHED` or `FAILED`.
    """
    store = client()
    found = store.get_experiment_by_name(experiment)
    if found is None:
        return
    for run in running(f"{tag_is(KUBEFLOW_TAG, kubeflow_run)} AND {has_tag(LEASE)}", [found.experiment_id]):
        store.set_terminated(run.info.run_id, status)
