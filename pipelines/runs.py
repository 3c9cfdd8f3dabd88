"""One run of the training pipeline on this machine, from settings to the outcome."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from components import STEPS, claims, owners, registry, steps, tracking, versions
from components.claims import ASKS, CLAIM, KEY, TakenError
from components.code import code_version
from components.config import dump, read_params
from components.data_version import check_source, data_version, difference
from components.errors import InputError
from components.files import read_json, write_json
from components.repository import is_address, parse_address
from pipelines import planning
from pipelines.changes import CODE
from pipelines.local import PROCESSES, Execution, Runner, View, execute
from pipelines.platform import SECTION, PlatformConfig, read_platform

ROOT = Path("runs")
PARAMS = Path("params.yaml")
DATA = Path("data")


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
        tags: Further tags of the run; where they say that it asks (see `components.claims`), it runs only if no other does.
    """

    source: Path
    version: str
    name: str
    params: dict[str, dict[str, Any]]
    platform: PlatformConfig
    tags: Mapping[str, str] = field(default_factory=dict)


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
    return Plan(source, data_version(source), model_name(settings, source), settings, platform)


def model_name(settings: Mapping[str, Mapping[str, Any]], source: Path) -> str:
    """What the model, and the experiment, are called: `register.name`, or else named after the source.

    Raises:
        InputError: It can't be a model's name.
    """
    name = str(settings["register"].get("name") or _source_name(source))
    versions.check_name(name)
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
    return {step: dump(steps.config_of(step, sections.get(step, {}))) for step in STEPS}, platform


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
    from pipelines.training import training

    if message := difference(plan.source, plan.version):
        view.note(f"note: {message}")
    tracking.use_store()
    for dead in tracking.end_dead_runs():
        view.note(f"note: run {dead[:8]} was killed; its unfinished steps go on from their checkpoints where their inputs are the same")
    previous = _previous(plan)
    run_id = _start(plan)
    folder = ROOT / run_id
    _prepare_environment(run_id)
    arguments = {
        "data": parse_address(plan.source).text if is_address(plan.source) else str(plan.source),
        "data_version": plan.version,
        "name": plan.name,
        "previous": previous,
        **plan.params,
        "params": plan.params,
    }
    places = {"root": folder / "artifacts", "cache": ROOT / "cache", "logs": folder / "logs"}
    try:
        execution = execute(pipeline or training, arguments, **places, view=view, runner=runner)
        outcome = _conclude(plan, run_id, folder, execution)
    except BaseException as error:
        tracking.finish_run(run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED", f"{type(error).__name__}: {error}")
        write_json(folder / "outcome.json", {"run_id": run_id, "error": str(error)})
        raise
    tracking.finish_run(run_id, "FINISHED")
    return outcome


def _start(plan: Plan) -> str:
    """Starts the run in MLflow; one that asks is taken back where another does the same."""
    tags = {KEY: planning.key_of(plan), **{CODE + step: code_version(step) for step in STEPS}, **plan.tags}
    run_id = tracking.start_run(plan.name, _run_name(plan), plan.params, tags, _shown(plan.source), plan.version)
    if tags.get(CLAIM) == ASKS and (other := claims.claim(run_id, plan.name, tags[KEY])):
        claims.withdraw(run_id)
        raise TakenError(other)
    return run_id


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


def _conclude(plan: Plan, run_id: str, folder: Path, execution: Execution) -> dict[str, Any]:
    """Keeps what a person looks for under the run's folder, and tracks the steps that came from the cache."""
    shutil.copyfile(execution.outputs["report"].path, folder / "report.html")
    for step, how in execution.steps.items():
        if how["cached"]:
            section = plan.params[step.removesuffix("_pruned")]
            tracking.log_cached_step(run_id, step, section, read_json(Path(execution.outputs[step].path)))
    outcome = {
        "run_id": run_id,
        "experiment": plan.name,
        "data_version": plan.version,
        **read_json(Path(execution.outputs["outcome"].path)),
        "report": str(folder / "report.html"),
        "steps": execution.steps,
    }
    write_json(folder / "outcome.json", outcome)
    return outcome


def _previous(plan: Plan) -> str:
    """An earlier assignment to splits, as a file named by its content; empty where there is none."""
    place = ROOT / "previous"
    setting = plan.params["split"].get("previous", "champion")
    if setting == "none":
        return ""
    if setting == "champion":
        found = registry.previous_assignment(plan.name, plan.version, place)
        return str(found) if found else ""
    source = Path(setting)
    if not source.is_file():
        raise InputError(f"split.previous is {setting!r}: there is no such file; give a table of splits, `champion` or `none`")
    target = place / f"{hashlib.sha256(source.read_bytes()).hexdigest()}.parquet"
    if not target.exists():
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return str(target)


def _prepare_environment(run_id: str) -> None:
    """Tells the steps' processes which run they belong to, whose death ends them, and where checkpoints stand."""
    os.environ["MLFLOW_RUN_ID"] = run_id
    os.environ[steps.OWNER] = json.dumps(owners.owner_tags())
    os.environ[steps.CHECKPOINTS] = str((ROOT / "checkpoints").absolute())
    os.environ["PYTHONUNBUFFERED"] = "1"


def _shown(source: Path) -> str:
    return parse_address(source).text if is_address(source) else str(source.absolute())


def _source_name(source: Path) -> str:
    if is_address(source):
        return versions.safe_name(Path(parse_address(source).repository).name.removesuffix(".git"))
    name = source.resolve().name
    for ending in (".tar.gz", ".tar.xz", ".tar.bz2", ".tgz", ".tar", ".zip"):
        name = name.removesuffix(ending)
    return versions.safe_name(name)


def _run_name(plan: Plan) -> str:
    """What a person tells the run by among others: the settings that are not the default."""
    defaults = {step: dump(steps.config_of(step, {})) for step in plan.params}
    changed = [
        f"{step}.{name}={value}"
        for step, section in plan.params.items()
        for name, value in section.items()
        if value != defaults[step].get(name) and (step, name) != ("register", "name")
    ]
    return ", ".join(changed)[:200] or "default settings"
