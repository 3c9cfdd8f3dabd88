"""One run of the training pipeline on this machine, from settings to the outcome."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from components import STEPS
from darkroom.registry import fetch, registry
from darkroom.registry.registry import PREVIOUS
from darkroom.runtime.step import config_of
from darkroom.system.config import dump, read_params
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.locks import hold_run, wait_for
from darkroom.tracking import leases, runs
from darkroom.tracking.leases import ASKS, CLAIM, KEY, TakenError
from darkroom.tracking.log import as_texts
from darkroom.versions.data_version import check_source, data_version, difference
from darkroom.versions.repository import is_address, parse_address
from pipelines import concluding, history, planning, room
from pipelines.delivering import Courier
from pipelines.freezing import frozen
from pipelines.local import PROCESSES, Runner, View, execute
from pipelines.notices import check_clock, end_dead, open_store
from pipelines.places import ROOT
from pipelines.platform import SECTION, PlatformConfig, read_platform

PARAMS = Path("params.yaml")
DATA = Path("data")
LIKE = "darkroom.like"  # the run that a run repeats


class Listener(View, Protocol):
    """A view that also takes messages for a person."""

    def note(self, text: str) -> None:
        """A message."""


@dataclass(frozen=True)
class Plan:
    """All that decides a run's result, except the registry.

    Attributes:
        source: Where the data is, as the user named it.
        version: Hash of the data.
        name: The model's name in the registry, and the experiment's.
        params: Settings, a section a step, complete with defaults.
        platform: Where and how the steps run, which changes no result.
        tags: Further tags of the run; where they say that it asks (see `darkroom.tracking.leases`), it runs only if no other does.
        previous: Hash of the earlier assignment to splits that is continued, or `none`; empty: as `split.previous` says.
    """

    source: Path
    version: str
    name: str
    params: dict[str, dict[str, Any]]
    platform: PlatformConfig
    tags: Mapping[str, str] = field(default_factory=dict)
    previous: str = ""

    @property
    def shown_source(self) -> str:
        """Where the data is, as MLflow and a person are told: an absolute path, or an address."""
        return parse_address(self.source).text if is_address(self.source) else str(self.source.absolute())


def plan(data: Path | None, overrides: Sequence[str], params: Path = PARAMS) -> Plan:
    """Reads and checks everything that can be checked before a step starts.

    Args:
        data: The data source, or none for `data/`.
        overrides: Settings such as `train.epochs=3`, laid over the file's.
        params: The file of settings.

    Raises:
        InputError: A setting is wrong, or there is no data.
    """
    settings, platform = read_settings(overrides, params)
    source = data or DATA
    check_source(source)
    return Plan(source, data_version(source), model_name(settings, source), frozen(settings), platform)


def model_name(settings: Mapping[str, Mapping[str, Any]], source: Path) -> str:
    """What the model, and the experiment, are called: `register.name`, or else named after the source.

    Raises:
        InputError: It can't be a model's name.
    """
    name = str(settings["register"].get("name") or _source_name(source))
    registry.check_name(name)
    return name


def read_settings(overrides: Sequence[str], params: Path = PARAMS) -> tuple[dict[str, dict[str, Any]], PlatformConfig]:
    """The settings of the steps, a section each and complete with defaults, and those of the platform.

    Args:
        overrides: Settings such as `train.epochs=3`, laid over the file's.
        params: The file of settings.

    Raises:
        InputError: A setting is wrong.
    """
    sections = read_params(params, tuple(overrides))
    platform = read_platform(sections.pop(SECTION, {}))
    sections.pop(planning.SECTION, None)  # it decides whether there is a run, not what it does
    unknown = sorted(set(sections) - set(STEPS))
    if unknown:
        raise InputError(f"{params} has a section {unknown[0]!r}, which is no step: known are {', '.join(STEPS)}, {SECTION}")
    return complete(sections), platform


def complete(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings of every step, checked and with defaults.

    Raises:
        InputError: A setting is wrong.
    """
    return {step: dump(config_of(step, sections.get(step, {}))) for step in STEPS}


def run(plan: Plan, view: Listener, pipeline: Any = None, runner: Runner = PROCESSES) -> dict[str, Any]:
    """Runs the training pipeline and tracks it as one MLflow run.

    Args:
        plan: What to run.
        view: Is told what happens.
        pipeline: The pipeline; the training pipeline where none is given.
        runner: How its steps are run.

    Returns:
        The run's outcome, as `darkroom run --json` prints it.

    Raises:
        InputError: A step found a mistake of the user's.
        StepFailedError: A step failed for another reason.
        TakenError: The plan's run asks, and another one does the same.
    """
    if message := difference(plan.source, plan.version):
        view.note(f"note: {message}")
    make_ready(view)
    need = room.estimate(plan.source, plan.version, plan.params)
    if message := room.judge(need, room.free_bytes(ROOT), ROOT):
        view.note(message)
    with alone(plan, view):
        end_dead(view.note)  # one that was waited for may have been killed
        previous = assignment(plan)
        run_id = _start(replace(plan, tags={PREVIOUS: previous.stem if previous else "none", **plan.tags}))
        with hold_run(ROOT / run_id):
            outcome = carry_out(plan, previous, run_id, view, pipeline, runner)
        end_dead(view.note)  # also a step that a killed run began with its last breath
        return outcome


def _start(plan: Plan) -> str:
    """Starts the run in MLflow; one that asks is taken back where another does the same."""
    tags = {KEY: planning.key_of(plan), **plan.tags}
    run_id = runs.start_run(plan.name, _run_name(plan), plan.params, tags, plan.shown_source, plan.version)
    if tags.get(CLAIM) == ASKS and (other := leases.claim(run_id, plan.name, tags[KEY])):
        leases.withdraw(run_id)
        raise TakenError(other)
    return run_id


def alone(plan: Plan, view: Listener) -> AbstractContextManager[None]:
    """Waits until no other process of this checkout does the same work, whose results then come from the cache.

    A run that asks (see `darkroom.tracking.leases`) does not wait: it gives way.
    """
    if plan.tags.get(CLAIM) == ASKS:
        return nullcontext()
    return wait_for(ROOT / "locks" / planning.key_of(plan), f"process {os.getpid()}", view.note)


def make_ready(view: Listener) -> None:
    """Opens the store, delivers what waited for it, and ends what a killed process left there as running.

    Raises:
        InputError: The store can't be used.
    """
    open_store(view.note)
    check_clock(view.note)


def carry_out(
    plan: Plan, previous: Path | None, run_id: str, view: Listener, pipeline: Any = None, runner: Runner = PROCESSES
) -> dict[str, Any]:
    """Carries out a run that MLflow knows already and the caller holds, and ends it in MLflow.

    Args:
        plan: What to run.
        previous: The earlier assignment to splits that is continued, or none.
        run_id: The run.
        view: Is told what happens.
        pipeline: The pipeline; the training pipeline where none is given.
        runner: How its steps are run.

    Raises:
        InputError: A step found a mistake of the user's.
        StepFailedError: A step failed for another reason.
    """
    from pipelines.training import training

    folder = ROOT / run_id
    arguments = {
        "data": plan.shown_source,
        "data_version": plan.version,
        "name": plan.name,
        "previous": str(previous or ""),
        **plan.params,
        "params": plan.params,
    }
    places = {"root": folder / "artifacts", "cache": ROOT / "cache", "logs": folder / "logs"}
    try:
        concluding.prepare(run_id)
        execution = execute(pipeline or training, arguments, **places, view=Courier(view), runner=runner)
        outcome = concluding.conclude(plan, run_id, folder, execution, view)
    except BaseException as error:
        concluding.fail(plan, run_id, folder, error)
        raise
    concluding.finish(run_id, view)
    return outcome


def find_run(name: str) -> Path:
    """The folder of a run on this machine.

    Args:
        name: A run's id, the beginning of one, or `last`.

    Raises:
        InputError: No run, or more than one, is meant.
    """
    folders = sorted((path for path in ROOT.glob("*/logs")), key=lambda path: path.stat().st_ctime_ns)
    known = [path.parent for path in folders]
    if not known:
        raise InputError(f"there is no run under {ROOT}/: start one with `darkroom run`")
    found = known[-1:] if name == "last" else [path for path in known if path.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    newest = ", ".join(path.name[:8] for path in known[-5:])
    raise InputError(f"{name!r} means {len(found)} runs under {ROOT}/: name one, or `last`; the newest are {newest}")


def assignment(plan: Plan) -> Path | None:
    """The earlier assignment to splits that a plan continues, as a file named by its content, or none.

    Raises:
        InputError: `split.previous` names a file that is not there.
    """
    place = ROOT / "previous"
    if plan.previous:
        return None if plan.previous == "none" else place / f"{plan.previous}.parquet"
    setting = plan.params["split"].get("previous", "champion")
    if setting == "none":
        return None
    if setting == "champion":
        return fetch.previous_assignment(plan.name, plan.version, place)
    source = Path(setting)
    if not source.is_file():
        raise InputError(f"split.previous is {setting!r}: there is no such file; give a table of splits, `champion` or `none`")
    target = place / f"{hashlib.sha256(source.read_bytes()).hexdigest()}.parquet"
    if not target.exists():
        with whole(target) as draft:
            shutil.copyfile(source, draft)
    return target


def _source_name(source: Path) -> str:
    if is_address(source):
        return registry.safe_name(Path(parse_address(source).repository).name.removesuffix(".git"))
    name = source.resolve().name
    for ending in (".tar.gz", ".tar.xz", ".tar.bz2", ".tgz", ".tar", ".zip"):
        name = name.removesuffix(ending)
    return registry.safe_name(name)


def _run_name(plan: Plan) -> str:
    """What a person tells the run by among others: the settings that are not the default.

    Those that are new since the run before come first: a list of runs shows but the beginning of a name.
    """
    defaults = {step: dump(config_of(step, {})) for step in plan.params}
    default = as_texts(defaults)
    changed = {name: value for name, value in as_texts(plan.params).items() if value != default.get(name) and name != "register.name"}
    before = history.newest(plan.name)
    ordered = sorted(changed, key=lambda name: before is not None and before.params.get(name) == changed[name])
    return ", ".join(f"{name}={changed[name]}" for name in ordered)[:200] or "default settings"
