"""One run of the training pipeline on this machine, from settings to the outcome."""

import hashlib
import inspect
import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from darkroom.registry import fetch
from darkroom.runtime.step import config_of
from darkroom.system.config import dump
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.locks import lock_run, locked
from darkroom.tracking import leases, runs
from darkroom.tracking.leases import TakenError
from darkroom.tracking.log import as_texts
from darkroom.tracking.tags import ASKS, LEASE, PREVIOUS, WORK_KEY
from darkroom.versions.data_version import difference
from darkroom.versions.environment import num_gpus
from pipelines import history, params, step_cache
from pipelines.paths import ROOT
from pipelines.plan import Plan, key_of
from pipelines.recover.recover import check_clock, end_dead, open_store
from pipelines.run import disk, finish
from pipelines.run.data_rule import changed_rule, kept_in_dvc
from pipelines.run.deliver import DeliveringView
from pipelines.run.local import PROCESSES, Runner, execute
from pipelines.run.temporary import check_temporary, temporary_folder
from pipelines.view import Listener


def run(
    plan: Plan, view: Listener, pipeline: Any = None, runner: Runner = PROCESSES, ending: finish.Ending = finish.write_outcome
) -> dict[str, Any]:
    """Runs the training pipeline and tracks it as one MLflow run.

    Args:
        plan: What to run.
        view: Shows what happens.
        pipeline: The pipeline; the training pipeline where none is given.
        runner: How its steps are run.
        ending: Keeps what the pipeline hands out.

    Returns:
        The run's outcome: of the training pipeline as `darkroom run --json` prints it.

    Raises:
        InputError: A step found a mistake of the user's.
        StepFailedError: A step failed for another reason.
        TakenError: The plan asks for a lease that another run has.
    """
    with runner.prepared():
        return _run(plan, view, pipeline, runner, ending)


def _run(plan: Plan, view: Listener, pipeline: Any, runner: Runner, ending: finish.Ending) -> dict[str, Any]:
    view.note(f"data {plan.shown_source}, version {plan.version[:12]}")
    differs = difference(plan.source, plan.version)
    if differs:
        view.note(f"note: {differs}")
    make_ready(view, create=True)
    if message := changed_rule(plan, history.newest(plan.name)):
        view.note(f"note: {message}")
    need = disk.estimate(plan.source, plan.version, plan.params, plan.platform)
    if message := disk.check_free(need, disk.free_bytes(ROOT), ROOT, plan.platform.disk_margin):
        view.note(message)
    with alone(plan, view):
        end_dead(view.note)  # the run that this one waited for may have been killed
        previous = assignment(plan)
        kept = {} if differs else kept_in_dvc(plan)
        run_id = _start(replace(plan, tags={PREVIOUS: previous.stem if previous else "none", **kept, **plan.tags}))
        with lock_run(ROOT / run_id):
            outcome = carry_out(plan, previous, run_id, view, pipeline, runner, ending)
        end_dead(view.note)  # also a step that was started just before its run was killed
        return outcome


def _start(plan: Plan) -> str:
    """Starts the run in MLflow; one that asks for the lease is withdrawn where another run has it."""
    tags = {WORK_KEY: key_of(plan), **plan.tags}
    run_id = runs.start_run(plan.name, _run_name(plan), plan.params, tags, plan.shown_source, plan.version)
    if tags.get(LEASE) == ASKS and (other := leases.request(run_id, plan.name, tags[WORK_KEY])):
        leases.withdraw(run_id)
        raise TakenError(other)
    return run_id


def alone(plan: Plan, view: Listener) -> AbstractContextManager[None]:
    """Waits until no other process of this checkout does the same work, whose results then come from the cache.

    A run that asks for a lease (see `darkroom.tracking.leases`) does not wait: it ends, where another run has the lease.
    """
    if plan.tags.get(LEASE) == ASKS:
        return nullcontext()
    return locked(ROOT / "locks" / key_of(plan), f"process {os.getpid()}", view.note)


def make_ready(view: Listener, *, create: bool = False) -> None:
    """Opens the store, delivers what waited for it, and ends what a killed process left there as running.

    Args:
        view: Is told what happens.
        create: Whether an SQLite file is made where there is none.

    Raises:
        InputError: The store, or the temporary folder, can't be used.
    """
    check_temporary()
    open_store(view.note, create=create)
    check_clock(view.note)
    if number := step_cache.forget_elsewhere():
        view.note(f"note: this project was moved or copied: {number} entries of the cache were of another folder, these steps run anew")


def carry_out(
    plan: Plan,
    previous: Path | None,
    run_id: str,
    view: Listener,
    pipeline: Any = None,
    runner: Runner = PROCESSES,
    ending: finish.Ending = finish.write_outcome,
) -> dict[str, Any]:
    """Carries out a run that MLflow knows and that the caller has locked, and ends it in MLflow.

    Args:
        plan: What to run.
        previous: The earlier assignment to splits that is continued, or none.
        run_id: The run.
        view: Shows what happens.
        pipeline: The pipeline; the training pipeline where none is given.
        runner: How its steps are run.
        ending: Keeps what the pipeline hands out.

    Raises:
        InputError: A step found a mistake of the user's.
        StepFailedError: A step failed for another reason.
    """
    from pipelines.flow import switched_off
    from pipelines.training import FLOW, training

    folder = ROOT / run_id
    gpus = num_gpus() if runner is PROCESSES else plan.platform.accelerator_count
    arguments = {
        "data": plan.shown_source,
        "data_version": plan.version,
        "name": plan.name,
        "previous": str(previous or ""),
        **params.arguments(params.on_this_machine(plan.params, gpus)),
    }
    folders = {"root": folder / "artifacts", "cache": step_cache.CACHE, "logs": folder / "logs"}
    try:
        finish.prepare(run_id)
        with temporary_folder(run_id):
            off = switched_off(FLOW, arguments)
            chosen = pipeline or training
            taken = inspect.signature(chosen.pipeline_func).parameters
            given = {name: value for name, value in arguments.items() if name in taken}
            execution = execute(chosen, given, **folders, view=DeliveringView(view), runner=runner, off=off)
        outcome = ending(plan, run_id, folder, execution, view)
    except BaseException as error:
        finish.fail(plan, run_id, folder, error)
        raise
    finish.finish(run_id, view)
    return outcome


def assignment(plan: Plan) -> Path | None:
    """The earlier assignment to splits that a plan continues, as a file named by its content, or none.

    Raises:
        InputError: `split.previous` names a file that is not there.
    """
    folder = ROOT / "previous"
    if plan.previous:
        return None if plan.previous == "none" else folder / f"{plan.previous}.parquet"
    setting = plan.params["split"].get("previous", "champion")
    if setting == "none":
        return None
    if setting == "champion":
        return fetch.previous_assignment(plan.name, plan.version, folder)
    source = Path(setting)
    if not source.is_file():
        raise InputError(f"split.previous is {setting!r}: there is no such file; give a table of splits, `champion` or `none`")
    target = folder / f"{hashlib.sha256(source.read_bytes()).hexdigest()}.parquet"
    if not target.exists():
        with whole(target) as draft:
            shutil.copyfile(source, draft)
    return target


def _run_name(plan: Plan) -> str:
    """The run's name: the settings that are not the default.

    Those that differ from the previous run come first, because a list of runs shows only the beginning of a name.
    """
    defaults = {step: dump(config_of(step, {})) for step in plan.params}
    default = as_texts(defaults)
    changed = {name: value for name, value in as_texts(plan.params).items() if value != default.get(name) and name != "register.name"}
    before = history.newest(plan.name)
    ordered = sorted(changed, key=lambda name: before is not None and before.params.get(name) == changed[name])
    return ", ".join(f"{name}={changed[name]}" for name in ordered)[:200] or "default settings"
