"""How every runner starts a step: Kubeflow's components call `perform`, the command line calls `call`.

`perform` reads the settings, calls the step's plain function, tracks it in MLflow where a run is open, writes the measures,
writes the reason of a failure beside the outputs, and ends the process when the run that started it has ended.
"""

import contextlib
import hashlib
import importlib
import inspect
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from darkroom.artifacts import Artifacts
from darkroom.images import packed_nothing
from darkroom.named_weights import fetched_to, is_registered
from darkroom.preprocessing.settings import PreprocessingSettings
from darkroom.runtime import checkpoints
from darkroom.system.config import StepConfig, parse
from darkroom.system.cores import share_cores
from darkroom.system.errors import InputError, kind_of
from darkroom.system.faults import explain
from darkroom.system.files import write_json
from darkroom.system.mapped import handing_back
from darkroom.system.processes import STDIN, is_dead, started_at
from darkroom.system.secrets import redact
from darkroom.tracking.step_run import no_run, step_run
from darkroom.tracking.tags import CHECKPOINTS, CODE_VERSION, IMAGE_NAME, OWNER, VECTORS
from darkroom.training.epochs import OnEpoch
from darkroom.tuned import OnTrial, ignore_trial
from darkroom.versions.code import code_version

ERROR_FILE = "error.json"
IMAGE = os.environ.get(IMAGE_NAME, "darkroom-python")
_OWNER_POLL_S = 1.0
_ARROW_END_BYTES = 2**16
_PROVIDED = ("config", "checkpoints", "store", "started", "on_epoch", "on_fold", "on_trial")  # which `call` adds to a step's arguments
_PICTURES = tuple(PreprocessingSettings.model_fields)
NETWORK = (
    "model", "weights", "weights_version", "side_px", "auto_photo_side_px", "auto_grey_photo_side_px", "auto_pretrained_enlarging",
    *_PICTURES, "device", "mixed_precision", "num_threads",
)  # fmt: skip
_READ_BY = {"ingest_evaluation": "evaluate.ingest", "ingest_unlabelled": "pretrain.ingest"}
_ARTIFACTS = tuple(field.name for field in fields(Artifacts))


def function_of(step: str) -> Callable[..., dict[str, float]]:
    """A step's plain function, such as `components.split.split.split`."""
    function: Callable[..., dict[str, float]] = getattr(importlib.import_module(f"components.{step}.{step}"), step)
    return function


def config_of(step: str, values: Mapping[str, Any]) -> StepConfig:
    """A step's settings from plain values.

    Raises:
        InputError: A value is out of bounds, or a name is not known.
    """
    kind: type[StepConfig] = getattr(importlib.import_module(f"components.{step}.config"), f"{step.capitalize()}Config")
    return parse(kind, step, values)


def evaluation_settings(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of `ingest` for a frozen evaluation set: those for the data, unless `evaluate.ingest` overrides them.

    Args:
        sections: Settings, a section a step.
    """
    return {**sections.get("ingest", {}), **sections.get("evaluate", {}).get("ingest", {})}


def unlabelled_settings(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of `ingest` for images without labels: its defaults and the size limit, unless `pretrain.ingest` overrides them.

    Args:
        sections: Settings, a section a step.
    """
    kept = {name: value for name, value in sections.get("ingest", {}).items() if name == "max_file_mb"}
    return {**kept, **sections.get("pretrain", {}).get("ingest", {}), "unlabelled": True}


def network_settings(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of `train` that decide on its network, its input and where it computes: no other changes what `pretrain` makes.

    Args:
        sections: Settings, a section a step, complete.
    """
    return {name: sections["train"][name] for name in NETWORK}


def floor_measure(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The measure by which `train` puts the floor in the place of a network, if `train.floor` is `register`: `register.measure`.

    Args:
        sections: Settings, a section a step, complete.

    Returns:
        The measure; empty where `train.floor` is another, so that the cache of `train` does not depend on it.
    """
    return str(sections["register"]["measure"]) if sections["train"]["floor"] == "register" else ""


def arguments_of(step: str) -> dict[str, inspect.Parameter]:
    """The arguments that a runner passes to a step, by name, in the order of its function; `artifacts` counts as one argument each."""
    parameters = inspect.signature(function_of(step)).parameters
    artifacts = {name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=Path) for name in _ARTIFACTS}
    found: dict[str, inspect.Parameter] = {}
    for name, parameter in parameters.items():
        if name not in _PROVIDED:
            found |= artifacts if name == "artifacts" else {name: parameter}
    return found


def perform(
    step: str,
    config: Mapping[str, Any],
    metrics: Any,
    *,
    task: str = "",
    part: str = "",
    keep: Mapping[str, str] | None = None,
    **arguments: Any,
) -> None:
    """Runs a step for a runner.

    Args:
        step: The step's name.
        config: Its settings, plain; a step that they switch off (`enabled: false`) has no run in MLflow, nor has one that is to read,
            embed or clean data that a run does not name, such as a frozen evaluation set.
        metrics: The component's `Output[Metrics]`; gets what the step measured, on Kubeflow's page and as JSON in its
            file. A failure's reason stands beside that file, in `error.json`.
        task: What the run calls it, where a step runs twice: `evaluate_pruned`.
        part: Which part of the work it does for the step of all, such as `2/4`, see `darkroom.part`.
        keep: Files that the pipeline's run in MLflow keeps once the step is done: their paths by the names that they get there.
        **arguments: The function's other arguments; an empty address of an optional input is left out.
    """
    share_cores()
    follow_owner()
    try:
        _check_code(step)
        title = task or step
        if part:
            title, arguments["part"] = f"{title}_part_{part.replace('/', '_of_')}", part
        with no_run() if _is_off(step, task, config, arguments) else step_run(title, config) as run, named_settings(task):
            measures = call(step, config, arguments, run.epoch, run.trial)
            run.measures(measures)
            for name, path in (keep or {}).items():
                run.keep(name, Path(path))
    except BaseException as error:
        fault = explain(error)
        reason = {"kind": kind_of(error), "type": "" if fault else type(error).__name__, "message": redact(fault or str(error))}
        write_json(Path(metrics.path).parent / ERROR_FILE, reason)
        raise
    for name, value in measures.items():
        metrics.log_metric(name, value)
    write_json(Path(metrics.path), measures)


@contextlib.contextmanager
def named_settings(task: str) -> Iterator[None]:
    """Says of a mistake in data that are read beside the run's own where their settings stand."""
    try:
        yield
    except InputError as error:
        if task in _READ_BY and "ingest." in str(error):
            raise InputError(f"{error} (settings of ingest stand in {_READ_BY[task]} for these data)") from None
        raise


def _is_off(step: str, task: str, config: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    if step == "ingest":
        return not arguments.get("data")
    if task in ("embed_evaluation", "clean_evaluation"):
        return packed_nothing(Path(arguments["images"]))
    return config.get("enabled") is False


def call(
    step: str,
    config: Mapping[str, Any],
    arguments: Mapping[str, Any],
    on_epoch: OnEpoch,
    on_trial: OnTrial = ignore_trial,
) -> dict[str, float]:
    """Calls a step's function; one that can resume after a kill gets a folder for checkpoints, one that keeps vectors or pixels its store.

    Args:
        step: The step's name.
        config: Its settings, plain.
        arguments: Addresses and values by name.
        on_epoch: Takes each epoch's measures, where the step has epochs.
        on_trial: Takes each trial, where the step searches.
    """
    function, settings = function_of(step), config_of(step, config)
    known, offered = inspect.signature(function).parameters, arguments_of(step)
    with handing_back(), contextlib.ExitStack() as stack:
        given = {name: _local_path(value, stack) if _is_path(offered[name]) else value for name, value in arguments.items() if value != ""}
        given |= {name: None for name, value in arguments.items() if value == "" and _is_needed(offered[name])}
        if "artifacts" in known:
            given["artifacts"] = Artifacts(**{name: given.pop(name) for name in _ARTIFACTS})
        given |= {name: taker for name, taker in (("on_epoch", on_epoch), ("on_trial", on_trial)) if name in known}
        if "started" in known:  # a process runs one step
            given["started"] = started_at()
        root, asked = os.environ.get(CHECKPOINTS, ""), time.monotonic()
        key = f"{step}-{_content_key(step, config, given)}" if "checkpoints" in known and root else ""
        if "store" in known and os.environ.get(VECTORS):  # which changes while the step runs
            given["store"] = Path(os.environ[VECTORS])
        _fetch_weights([config, *given.values()], stack)
        if not key:
            return function(**given, config=settings)
        with checkpoints.checkpoint_folder(root, key) as (folder, save):
            if "started" in known:  # waiting for another process that does the same is no work of the step
                given["started"] = started_at() + time.monotonic() - asked
            given |= {"checkpoints": folder, "on_epoch": _saving_first(save, on_epoch)}
            given |= {"on_fold": lambda fold, measures: save()} if "on_fold" in known else {}
            return function(**given, config=settings)


def _saving_first(save: Callable[[], None], on_epoch: OnEpoch) -> OnEpoch:
    """The callback for a step that has just written an epoch's checkpoint: saves that, then passes the measures on."""

    def save_and_report(epoch: int, measures: dict[str, float]) -> None:
        save()
        on_epoch(epoch, measures)

    return save_and_report


def _local_path(value: Any, stack: contextlib.ExitStack) -> Path:
    """A path on this machine; what a run keeps in MLflow (`runs:/...`) is downloaded until the step has ended."""
    if not str(value).startswith("runs:/"):
        return Path(value)
    from darkroom.registry.fetch import fetch_artifact

    return fetch_artifact(str(value), Path(stack.enter_context(tempfile.TemporaryDirectory())))


def _fetch_weights(sections: Iterable[Any], stack: contextlib.ExitStack) -> None:
    """Fetches the registered models whose weights sections of settings name; they are kept beside vectors, where these are."""
    given = [str(section.get("weights")) for section in sections if isinstance(section, Mapping)]
    if not (names := {weights for weights in given if is_registered(weights)}):
        return
    from darkroom.registry.starting_models import fetched

    root = os.environ.get(VECTORS)
    cache = Path(root).parent / "models" if root else Path(stack.enter_context(tempfile.TemporaryDirectory()))
    stack.enter_context(fetched_to(fetched(sorted(names), cache)))


def report_curves(evaluation: str, classification_metrics: Any) -> None:
    """Fills Kubeflow's page of a classifier: confusion matrix and ROC curve.

    Args:
        evaluation: What `evaluate` wrote.
        classification_metrics: The component's `Output[ClassificationMetrics]`.
    """
    from darkroom.evaluation import confusion, roc_curve

    classes, matrix = confusion(Path(evaluation))
    if classes:
        classification_metrics.log_confusion_matrix(classes, matrix)
    rates = roc_curve(Path(evaluation))
    if rates[0]:
        classification_metrics.log_roc_curve(*rates)
    write_json(Path(classification_metrics.path), {"classes": classes, "confusion": matrix})


def follow_owner() -> None:
    """Ends this process within seconds after the process that `DARKROOM_OWNER` names has ended, killed or not.

    A container sees no other process; there the owner has the other end of this process's standard input.
    """
    owner = os.environ.get(OWNER, "")
    if owner == STDIN:
        threading.Thread(target=_watch_stdin, daemon=True).start()
    elif owner:
        threading.Thread(target=_watch, args=(json.loads(owner),), daemon=True).start()


def _watch(owner: dict[str, str]) -> None:
    while not is_dead(owner):
        time.sleep(_OWNER_POLL_S)
    os._exit(1)


def _watch_stdin() -> None:
    while os.read(0, 1024):  # not through sys.stdin, whose lock Python could not take when this process ends
        pass
    os._exit(1)


def _check_code(step: str) -> None:
    """Raises an error where the cache knows the step by another version of its code than the one that runs."""
    compiled = os.environ.get(CODE_VERSION, "")
    if compiled and compiled != (running := code_version(step)):
        raise InputError(
            f"the pipeline was compiled from other code of {step} ({compiled}) than the image holds ({running}): compile it "
            "where the image was built, or build the image again and name it in platform.image"
        )


def _is_path(parameter: inspect.Parameter) -> bool:
    return parameter.annotation in (Path, Path | None)


def _is_needed(parameter: inspect.Parameter) -> bool:
    """Whether a path that may be none is an argument without a default."""
    return parameter.annotation == Path | None and parameter.default is inspect.Parameter.empty


def _content_key(step: str, config: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Names a checkpoint by what it was made from: settings, code and the content of the inputs that exist."""
    digest = hashlib.sha256(json.dumps([step, code_version(step), dict(config)], sort_keys=True).encode())
    for name, path in sorted(arguments.items()):
        if isinstance(path, Path) and path.exists():
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in files:
                content = _end_of(file) if file.suffix == ".arrow" else file.read_bytes() if file.is_file() else b""
                digest.update(f"{name}/{file.relative_to(path)}\0".encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()[:20]


def _end_of(path: Path) -> bytes:
    """What stands for an Arrow file, which can be huge: its size, and its end with what its metadata say of its origin.

    The manifest beside it names every image by its content.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _ARROW_END_BYTES))
        return str(size).encode() + file.read()
