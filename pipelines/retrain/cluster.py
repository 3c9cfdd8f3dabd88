"""What the first and the last task of the retraining pipeline do, in a container of their own."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from darkroom.outcome import read_outcome
from darkroom.registry import fetch
from darkroom.runtime.notify import notify
from darkroom.system.config import parse
from darkroom.system.processes import kubeflow_tags
from darkroom.tracking import runs
from darkroom.tracking.leases import request, withdraw
from darkroom.tracking.log import set_run_tags
from darkroom.tracking.tags import ASKS, DECISION, HOST, LEASE, MODEL_NAME, MODEL_VERSION, PID, REASON, RETRAIN_START, VOLUME
from darkroom.versions.data_version import data_version
from pipelines.messages import outcome_message
from pipelines.params import RETRAIN, arguments, complete, frozen
from pipelines.plan import Plan
from pipelines.platform import read_platform
from pipelines.retrain.decide import Decision, RetrainConfig, decide, tags_of, waiting
from pipelines.retrain.warm_start import warm_start


class Planned(NamedTuple):
    """What `plan` passes to the other tasks.

    Attributes:
        action: `train`, `nothing` or `wait`.
        data_version: Hash of the data.
        evaluation_version: Hash of the frozen evaluation set, or empty.
        unlabelled_version: Hash of the images without labels, or empty.
        verdicts_version: Hash of people's verdicts at `clean.verdicts`, or empty.
        previous: File of the earlier assignment to splits that is continued, or empty.
        embed: Settings of `embed`, with the version of its weights.
        clean: Settings of `clean`, with the version of its verdicts.
        train: Settings of `train`; a warm start names the weights in them.
        network: Those of them that decide on the network.
        settled: The settings of all steps, a section each, as the run and the report show them.
        lease: The run that has the lease on the work, or empty.
    """

    action: str
    data_version: str
    evaluation_version: str
    unlabelled_version: str
    verdicts_version: str
    previous: str
    embed: dict[str, Any]
    clean: dict[str, Any]
    train: dict[str, Any]
    network: dict[str, Any]
    settled: dict[str, Any]
    lease: str

    def write(self, **paths: str) -> None:
        """Writes values, named like these, where Kubeflow reads outputs from."""
        for name, path in paths.items():
            value = getattr(self, name)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def plan_on_cluster(data: str, name: str, config: dict[str, Any], params: dict[str, dict[str, Any]], force: bool) -> Planned:
    """Decides whether there is reason to train; where there is, a run in MLflow has the lease on the work until `close` ends it.

    Args:
        data: Where the images are.
        name: The model's name.
        config: Settings of `retrain`, plain.
        params: Settings of the steps, a section each.
        force: Whether to train though nothing changed.
    """
    runs.use_store()
    settings, now = parse(RetrainConfig, RETRAIN, config), datetime.now(UTC)
    params = frozen(complete(params))  # Kubeflow has made floats of the integers
    plan = Plan(Path(data), data_version(Path(data)), name, params, read_platform({}))
    decision = decide(plan, settings, force=force, now=now)
    lease = ""
    if decision.action == "train":
        decision, lease = _request_lease(plan, settings, decision, now)
    print(f"plan: {decision.message}", flush=True)
    if decision.action != "train":
        return _planned(decision.action, plan)
    folder = _shared_folder()
    if folder is None:
        print("note: without a volume (platform.volume) neither the champion's splits nor its weights reach the other steps", flush=True)
        return _planned("train", plan, lease)
    previous = fetch.previous_assignment(name, plan.version, folder / "previous") if params["split"].get("previous") == "champion" else None
    if settings.start == "champion":
        plan, start = warm_start(plan, folder / "models")
        print(f"plan: {start.message}", flush=True)
        set_run_tags(lease, {RETRAIN_START: start.start})
    return _planned("train", plan, lease, str(previous or ""))


def _planned(action: str, plan: Plan, lease: str = "", previous: str = "") -> Planned:
    decided = {"action": action, "data_version": plan.version, "lease": lease, "previous": previous, "settled": plan.params}
    given = {**arguments(plan.params), **decided}
    return Planned(**{name: given[name] for name in Planned._fields})


def _request_lease(plan: Plan, config: RetrainConfig, decision: Decision, now: datetime) -> tuple[Decision, str]:
    """Starts the run that asks for the lease; its owner is the run on Kubeflow, not this process. Or the decision to wait for another."""
    cluster = kubeflow_tags()
    owner = {HOST: f"kubeflow run {next(iter(cluster.values()), 'unknown')}", PID: ""}
    tags = {**tags_of(decision, config, now), **cluster, **owner, LEASE: ASKS}
    run_id = runs.start_run(plan.name, f"retraining {decision.key[:8]}", plan.params, tags, str(plan.source), plan.version)
    if other := request(run_id, plan.name, decision.key):
        withdraw(run_id)
        return waiting(decision.key, other.who()), ""
    return decision, run_id


def _shared_folder() -> Path | None:
    """A folder that the other steps see too: the volume, or on one machine the folder of the runs."""
    if root := os.environ.get(VOLUME, ""):
        return Path(root)
    return None if kubeflow_tags() else Path("runs").absolute()


def close(lease: str, outcome: str) -> None:
    """Ends the run that had the lease on the work, and notifies the webhook.

    Args:
        lease: The run.
        outcome: What `register` wrote.
    """
    result = read_outcome(Path(outcome))
    model = result["model"]
    tags = {MODEL_NAME: model["name"], MODEL_VERSION: str(model["version"]), DECISION: result["decision"], REASON: result["reason"]}
    set_run_tags(lease, tags)
    runs.finish_run(lease, "FINISHED")
    known = {"run_id": result.get("run_id") or lease, "report": "report.html of the run in MLflow", "data_version": ""}
    if problem := notify(outcome_message({**result, **known})):
        print(f"note: {problem}", flush=True)
