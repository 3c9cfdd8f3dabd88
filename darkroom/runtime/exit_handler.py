"""The exit handler of a run on Kubeflow: reports how it ended, why, and where to look; in its log, in MLflow, failures to the webhook."""

import os

from darkroom.runtime.notify import Message, notify
from darkroom.system.processes import kubeflow_tags
from darkroom.system.secrets import redact
from darkroom.tracking import runs
from darkroom.tracking.context import find_context
from darkroom.tracking.leases import end_leases
from darkroom.tracking.log import set_run_tags
from darkroom.tracking.tags import ERROR, OUTCOME, PAGE


def report_ending(state: str, reason: str, name: str, run: str, endpoint: str) -> None:
    """Reports how a run ended.

    Args:
        state: `SUCCEEDED`, `FAILED` or `CANCELLED`.
        reason: What Kubeflow says of the failure, or empty.
        name: The model's name, which is the experiment's.
        run: The id of Kubeflow's run.
        endpoint: Kubeflow's address, or empty where it is not known.
    """
    link = page_of(endpoint, run)
    print(f"{name}: {state.lower()}{f': {redact(reason)}' if reason else ''}\n{link}", flush=True)
    well = state == "SUCCEEDED"
    tags = {OUTCOME: state.lower(), PAGE: link, **kubeflow_tags()}
    error = "" if well else redact(reason) or f"the run on Kubeflow has {state.lower()}"
    if not well:
        _notify(name, state.lower(), error, link)
    if os.environ.get("MLFLOW_TRACKING_URI"):
        end_leases(name, run, "FINISHED" if well else "FAILED")
    if os.environ.get("MLFLOW_RUN_ID"):  # Kubeflow's MLflow plug-in ends the run that it has started
        context = find_context()
        if context:
            set_run_tags(context.parent, {**tags, **({ERROR: error} if error else {})})
    elif os.environ.get("MLFLOW_TRACKING_URI"):
        status: runs.Status = "FINISHED" if well else "FAILED" if state == "FAILED" else "KILLED"
        set_run_tags(runs.finish_pipeline(run, status, error), tags)


def _notify(name: str, state: str, error: str, link: str) -> None:
    """Notifies the webhook, if there is one."""
    if problem := notify(Message("failure", f"{name}: the run on Kubeflow has {state}", error, {"run": link})):
        print(f"note: {problem}", flush=True)


def page_of(endpoint: str, run: str) -> str:
    """Kubeflow's page of a run; where the address is not known, what to look for."""
    return f"{endpoint.rstrip('/')}/#/runs/details/{run}" if endpoint else f"run {run} on Kubeflow"
