"""Runs again: the plan of a run that was, with its own data, settings and split; to repeat it, or to resume it."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components import STEPS
from darkroom.registry.fetch import PREVIOUS_KEPT
from darkroom.system.config import overlay, read_params
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.locks import lock_run
from darkroom.system.processes import source_tags
from darkroom.tracking import runs
from darkroom.tracking.tags import CODE, COMMIT, DIRTY, DVC_MD5, HOST, LIKE, MODEL_NAME, PID, PREFIX, PREVIOUS, SEARCH
from darkroom.versions.addresses import is_address, parse_address
from darkroom.versions.code import code_version
from darkroom.versions.data_version import data_version, fetch_version, has_version
from darkroom.versions.environment import ENVIRONMENT, environment_tags
from pipelines import history
from pipelines.history import Record
from pipelines.params import PARAMS, SOURCED, Params, complete, frozen, known_settings, settled
from pipelines.paths import ROOT
from pipelines.plan import DATA, Plan
from pipelines.platform import SECTION, read_platform
from pipelines.run.local import PROCESSES, Runner
from pipelines.run.run import alone, assignment, carry_out, make_ready
from pipelines.view import Listener

_SETTLES = ("time_limit_min", "epochs", "side_px", "model", "effort")  # settings of train that decide what a time limit settles


def plan_like(name: str, overrides: Sequence[str], data: Path | None, view: Listener) -> Plan:
    """The plan of a run that repeats another.

    Args:
        name: The run: its id, the beginning of one, `last`, or the model that it ended with.
        overrides: Settings such as `train.epochs=3`, laid over the run's own.
        data: Other data, or none for the run's own.
        view: Shows whether the code or the environment has changed.

    Raises:
        InputError: There is no such run, its data can't be had any more, or a setting is wrong.
    """
    make_ready(view)
    record = history.find(name)
    known = _settings(record, view)
    if data is None and not any(_gives(f"train.{name}", overrides) for name in _SETTLES):
        known = _settled(known, record, view)
    sections = overlay({**known, SECTION: read_params(PARAMS).get(SECTION, {})}, overrides)
    platform = read_platform(sections.pop(SECTION))
    for step in SOURCED:
        if _gives(f"{step}.data", overrides) and not _gives(f"{step}.data_version", overrides):
            sections[step]["data_version"] = ""  # that of the run was of its own
    settings = frozen(complete(sections))
    source = data or _source(record, view)
    version = data_version(source)
    model = settings["register"].get("name") or record.tags.get(MODEL_NAME) or record.experiment
    previous = "" if _gives("split.previous", overrides) or version != record.data_version else _assignment(record)
    for difference in [f"{record.run_id[:8]} had other {what}" for what in differences_now(record)] or [
        "code and environment are the same"
    ]:
        view.note(f"note: repeats run {record.run_id[:8]} ({record.name}): {difference}")
    return Plan(source, version, model, settings, platform, {LIKE: record.run_id}, previous)


def _settings(record: Record, view: Listener) -> Params:
    """A run's settings; those that only another version of Darkroom knows are left out, with a note."""
    settings, unknown = known_settings(history.settings(record))
    if unknown:
        view.note(f"note: run {record.run_id[:8]} has settings that this version does not know, which are left out: {', '.join(unknown)}")
    return settings


def _settled(known: Params, record: Record, view: Listener) -> Params:
    """The settings with what the run had measured and settled, which a repetition does not measure again."""
    train = history.steps(record).get("train")
    found = settled(known, train.metrics if train else {})
    if found != known:
        pinned = ", ".join(f"train.{name}={value}" for name, value in found["train"].items() if value != known["train"].get(name))
        view.note(f"note: what was measured had settled {pinned}, which this run takes")
    return found


def _gives(setting: str, overrides: Sequence[str]) -> bool:
    return any(text.replace(" ", "").startswith(f"{setting}=") for text in overrides)


def resume(name: str, view: Listener, runner_of: Callable[[Plan], Runner] = lambda plan: PROCESSES) -> dict[str, Any]:
    """Goes on with a run that failed or was killed, under its own id; what it had finished comes from the cache.

    Args:
        name: The run: its id, the beginning of one, or `last`.
        view: Shows what happens.
        runner_of: How a plan's steps are run.

    Returns:
        The run's outcome, as `runs.run` gives it.

    Raises:
        InputError: There is no such run, it is finished or in progress, or its data can't be had any more.
        StepFailedError: A step failed.
    """
    make_ready(view)
    record = history.find(name)
    short = record.run_id[:8]
    if SEARCH in record.tags:
        raise InputError(f"run {short} is a search of settings: `darkroom tune` with the same settings goes on with it")
    if record.status == "finished":
        raise InputError(f"run {short} is finished: there is nothing to resume; repeat it with `darkroom run --like {short}`")
    if record.status == "running":
        raise InputError(f"run {short} is in progress{_where(record)}: follow it with `darkroom logs {short}`")
    settings, platform = frozen(complete(_settings(record, view))), read_platform(read_params(PARAMS).get(SECTION, {}))
    plan = Plan(_source(record, view), record.data_version, record.experiment, settings, platform, previous=_assignment(record))
    runner = runner_of(plan)
    with runner.prepared(), alone(plan, view), lock_run(ROOT / record.run_id):  # of two that resume at once, the second gets an error
        for difference in differences_now(record):
            view.note(f"note: run {short} had other {difference}; the steps that depend on it run again")
        runs.reopen_run(record.run_id, STEPS)
        return carry_out(plan, assignment(plan), record.run_id, view, runner=runner)


def differences_now(record: Record) -> list[str]:
    """How code and environment of now differ from those of a run, a phrase each."""
    here, found = environment_tags(), []
    changed = [step for step in STEPS if record.tags.get(CODE + step, "") not in ("", code_version(step))]
    if changed:
        commit, dirty = record.tags.get(COMMIT, ""), record.tags.get(DIRTY) == "true"
        at = (
            f" (its commit was {commit[:8]}{' with changes' if dirty else ''}, now {source_tags().get(COMMIT, 'none')[:8]})"
            if commit
            else ""
        )
        found.append(f"code of {', '.join(changed)}{at}")
    for tag in ENVIRONMENT:
        if record.tags.get(tag, here[tag]) != here[tag]:
            found.append(f"{tag.removeprefix(PREFIX)}: {record.tags[tag]}, now {here[tag]}")
    return found


def _source(record: Record, view: Listener) -> Path:
    """Where a run's data is, unchanged; fetched from DVC where it has changed since."""
    if not record.source:
        raise InputError(f"run {record.run_id[:8]} did not keep where its data was: give it with `--data SOURCE`")
    original = Path(record.source)
    for candidate in (original, DATA):
        if (is_address(candidate) or candidate.exists()) and has_version(candidate, record.data_version):
            return candidate
    target = ROOT / "data" / record.data_version / (parse_address(original).file_name if is_address(original) else original.name)
    if not target.exists() and not fetch_version(record.tags.get(DVC_MD5) or record.data_version, target):
        raise InputError(
            f"the data of run {record.run_id[:8]} (version {record.data_version[:12]}, from {original}) has changed since, and DVC holds "
            f"it neither in its cache nor in its remote: bring it back (`git checkout` of its .dvc file and `dvc checkout`), or "
            f"give other data with `darkroom run --like {record.run_id[:8]} --data SOURCE`"
        )
    view.note(f"note: {original} has changed since run {record.run_id[:8]}; its data comes from DVC, laid out in {target}")
    return target


def _assignment(record: Record) -> str:
    """The earlier assignment to splits that a run continued: its hash, with its file in place, or `none`; empty where not known."""
    name = record.tags.get(PREVIOUS, "")
    target = ROOT / "previous" / f"{name}.parquet"
    if name in ("", "none") or target.exists():
        return name
    with tempfile.TemporaryDirectory() as place:
        found = history.kept(record, PREVIOUS_KEPT, Path(place))
        if found is None:  # the run failed before it kept it, and the file is not on this machine
            return ""
        with whole(target) as draft:
            shutil.copyfile(found, draft)
    return name


def _where(record: Record) -> str:
    host, pid = record.tags.get(HOST, ""), record.tags.get(PID, "")
    return f" (process {pid} on {host})" if pid else ""
