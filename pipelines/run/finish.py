"""The end of a run, well or not: what is kept, what is written to MLflow, and what waits where MLflow can't be reached."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkroom.system import processes
from darkroom.system.faults import explain
from darkroom.system.files import read_json, whole, write_json
from darkroom.system.secrets import redact
from darkroom.tracking import outbox, outbox_journal, runs, step_run
from darkroom.tracking.client import client
from darkroom.tracking.log import set_run_tags
from darkroom.tracking.tags import CHECKPOINTS, DISK, KNOWN_PARENT, OUTBOX_FOLDER, OWNER, SEARCH, VECTORS
from pipelines import history
from pipelines.params import arguments
from pipelines.paths import OUTBOX, ROOT
from pipelines.recover.bundle import send_bundle, write_bundle
from pipelines.run import disk
from pipelines.run.local import Execution

if TYPE_CHECKING:
    from pipelines.plan import Plan
    from pipelines.view import Listener

Ending = Callable[["Plan", str, Path, Execution, "Listener"], dict[str, Any]]  # as `write_outcome`


def prepare(run_id: str) -> None:
    """Sets the environment variables that the steps' processes inherit: their run, its process, and the folders of what they keep."""
    os.environ["MLFLOW_RUN_ID"] = run_id
    os.environ[OWNER] = json.dumps(processes.owner_tags())
    os.environ[CHECKPOINTS] = str((ROOT / "checkpoints").absolute())
    os.environ[VECTORS] = str((ROOT / "vectors").absolute())
    os.environ[OUTBOX_FOLDER] = str(OUTBOX.absolute())
    os.environ["PYTHONUNBUFFERED"] = "1"
    outbox.wait_for_store()
    with outbox.store_required():
        os.environ[KNOWN_PARENT] = f"{client().get_run(run_id).info.experiment_id}/{run_id}"


def write_outcome(plan: "Plan", run_id: str, folder: Path, execution: Execution, view: "Listener") -> dict[str, Any]:
    """Keeps what a person looks for under the run's folder, and tracks what the steps could not.

    Args:
        plan: What was run.
        run_id: The run.
        folder: Its folder.
        execution: What its steps left.
        view: Shows what MLflow refused for good.

    Returns:
        The run's outcome, as `darkroom run --json` prints it.

    Raises:
        AwayError: MLflow does not answer.
    """
    with whole(folder / "report.html") as draft:
        shutil.copyfile(execution.outputs["report"].path, draft)
    complete_log(plan, run_id, folder, execution, view)
    outcome = {**facts(plan, run_id), **read_json(Path(execution.outputs["outcome"].path))}
    outcome |= {"report": str(folder / "report.html"), "steps": execution.steps}
    write_json(folder / "outcome.json", outcome)
    return outcome


def complete_log(plan: "Plan", run_id: str, folder: Path, execution: Execution, view: "Listener") -> None:
    """Tracks what the steps could not: what waits for MLflow, the steps that the cache answered, and the disk that the run takes.

    Args:
        plan: What was run.
        run_id: The run.
        folder: Its folder.
        execution: What its steps left.
        view: Shows what MLflow refused for good.

    Raises:
        AwayError: MLflow does not answer.
    """
    outbox.wait_for_store()
    for note in outbox.deliver_left(OUTBOX).refusals():
        view.note(f"note: {note}")
    with outbox.store_required():
        _log_cached_steps(plan, run_id, execution)
        set_run_tags(run_id, {DISK: disk.used_bytes(folder)})


def facts(plan: "Plan", run_id: str) -> dict[str, Any]:
    """What every outcome begins with: the run, its experiment, and its data."""
    return {"run_id": run_id, "experiment": plan.name, "data_version": plan.version}


def finish(run_id: str, view: "Listener") -> None:
    """Ends a run that went well."""
    runs.finish_run(run_id, "FINISHED")
    if number := _num_pending():
        view.note(f"note: {number} entries for MLflow wait in {OUTBOX}/: the next run or `darkroom sync` delivers them")


def fail(plan: "Plan", run_id: str, folder: Path, error: BaseException) -> None:
    """Ends a run that failed or was stopped, and keeps the bundle of its failure; an error while doing so does not replace the first.

    Args:
        plan: What was run.
        run_id: The run.
        folder: Its folder.
        error: What ended it; gets notes about what a person can do.
    """
    try:
        _fail(plan, run_id, folder, error)
    except Exception as second:  # such as the same full disk
        error.add_note(f"note: the bundle of the failure could not be written: {explain(second) or redact(str(second))[:300]}")
    if number := _num_pending():
        command = f"`darkroom resume {run_id[:8]}`"
        error.add_note(f"MLflow is away: {number} entries wait in {OUTBOX}/; when it answers again, {command} delivers them first")


def _fail(plan: "Plan", run_id: str, folder: Path, error: BaseException) -> None:
    reason = redact(f"{type(error).__name__}: {error}")
    write_json(folder / "outcome.json", {"run_id": run_id, "error": redact(str(error))})
    bundle = None
    if not isinstance(error, KeyboardInterrupt):
        bundle = write_bundle(folder, {**facts(plan, run_id), "source": plan.shown_source}, plan.params, error)
        onward = "the same command goes on" if SEARCH in plan.tags else f"resume with: darkroom resume {run_id[:8]}"
        error.add_note(f"bundle  {bundle}    {onward}")
    for note in outbox.deliver_left(OUTBOX).refusals():
        error.add_note(f"note: {note}")
    runs.finish_run(run_id, "FAILED" if bundle else "KILLED", reason)
    if bundle:
        send_bundle(outbox.current(), run_id, bundle)
    outbox.flush()


def _log_cached_steps(plan: "Plan", run_id: str, execution: Execution) -> None:
    from pipelines.training import FLOW

    settings, section_names = arguments(plan.params), {task.title: task.section for task in FLOW}
    finished = {step for step, child in history.steps(history.get(run_id)).items() if child.status == "finished"}
    for step, how in execution.steps.items():
        if how["cached"] and step not in finished:  # before a failure, a resumed run may have done the step itself
            section = settings[section_names[step]]
            step_run.log_cached_step(run_id, step, section, read_json(Path(execution.outputs[f"{step}_metrics"].path)))


def _num_pending() -> int:
    """How many entries of this run's processes, and of others in this project, are not in MLflow yet."""
    return sum(len(outbox_journal.pending_entries(path)) for path in outbox_journal.paths(OUTBOX))
