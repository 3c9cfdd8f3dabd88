"""The settings of a run: read, completed, and with the version of the user's own evaluation set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components import STEPS
from components.train.config import TrainConfig
from components.train.unused_settings import OF_ONE, idle, unread
from components.tune.space import searched_values
from darkroom import verdicts
from darkroom.named_weights import REGISTERED, is_registered
from darkroom.networks.architectures import check_architecture
from darkroom.networks.families import ON_VECTORS, PROBE
from darkroom.registry import registry, starting_models
from darkroom.runtime.step import config_of, evaluation_settings, floor_measure, network_settings, unlabelled_settings
from darkroom.system.config import dump, parse, read_params
from darkroom.system.errors import InputError
from darkroom.system.renamed import with_current_names
from darkroom.versions.addresses import is_address, parse_address
from darkroom.versions.data_version import check_source, data_version, has_version
from darkroom.versions.environment import device
from darkroom.versions.weights_version import weights_version
from pipelines.platform import SECTION, PlatformConfig, read_platform

PARAMS = Path("params.yaml")
RETRAIN = "retrain"  # the section that decides whether there is a run
SOURCED = {"evaluate": "evaluated on", "pretrain": "pretrained on"}  # sections that name data of their own, and what that is for
STARTED = ("embed", "train")  # sections that name weights
SECTIONS = (*STEPS, RETRAIN, SECTION)
Params = dict[str, dict[str, Any]]


def frozen(params: Mapping[str, Mapping[str, Any]]) -> Params:
    """The settings with the versions of data, verdicts and weights that they name beside them: caches and keys know their contents.

    Args:
        params: Settings, a section a step, complete.

    Raises:
        InputError: One is not there, or is not the version that the settings name.
    """
    settings = {step: dict(section) for step, section in params.items()}
    if path := settings.get("clean", {}).get("verdicts"):
        settings["clean"]["verdicts_version"] = _verdicts_version(Path(path), settings["clean"]["verdicts_version"])
    for step in SOURCED:
        if step in settings and settings[step].get("enabled", True):
            settings[step]["data_version"] = _source_version(step, settings[step])
    for step in STARTED:
        if "weights" in settings.get(step, {}):
            settings[step] |= _settled_weights(step, settings[step])
    return settings


def _settled_weights(step: str, section: Mapping[str, Any]) -> dict[str, str]:
    """The weights that a step's section names, of a registered model by its number; and their version, empty if they are not here."""
    wanted, named = str(section.get("weights_version", "")), str(section["weights"])
    try:
        named, found = starting_models.settled(named) if is_registered(named) else (named, weights_version(named))
    except InputError as error:
        raise InputError(f"{step}.weights is {named!r}: {error}") from None
    if wanted and found and wanted != found:
        raise InputError(
            f"{step}.weights is {named}, which is now version {found}, not the {wanted} of {step}.weights_version: bring that file back, "
            f"or set {step}.weights_version to nothing"
        )
    return {"weights": named, "weights_version": found}


def refuse_own_successors(overrides: Sequence[str], params: Path, name: str) -> None:
    """Refuses weights of the model itself that move with each new version: every retraining would be the reason for the next.

    Args:
        overrides: See `read_settings`.
        params: The file of settings.
        name: The model's.

    Raises:
        InputError: `train.weights` or `embed.weights` names it, but not by number.
    """
    settings, _ = read_settings(overrides, params)
    for step in STARTED:
        weights = str(settings[step]["weights"])
        own, _, label = weights.removeprefix(REGISTERED).replace("@", "/").partition("/")
        if is_registered(weights) and own == name and not label.isdecimal():
            remedy = f"name a version by its number, {REGISTERED}{name}/NUMBER"
            raise InputError(
                f"{step}.weights is {weights}, which each retraining of {name} would change, and so be a reason for the next: {remedy}"
                + (", or set retrain.start to champion" if step == "train" else "")
            )


def _source_version(step: str, section: Mapping[str, Any]) -> str:
    """The version of the data that a step's section names beside the run's own, or an empty text where it names none."""
    wanted, source = str(section["data_version"]), str(section["data"])
    if not source:
        if wanted:
            raise InputError(f"{step}.data_version is {wanted!r}, but {step}.data is empty: name a source, or leave both empty")
        return ""
    check_source(Path(source))
    found = data_version(Path(source))
    if wanted and not has_version(Path(source), wanted):
        raise InputError(
            f"{step}.data is {source}, which is now version {found}, not the {wanted} of {step}.data_version: bring that version "
            f"back, or change the setting (then new models and old ones are {SOURCED[step]} different images)"
        )
    return found


def named_sources(settings: Mapping[str, Mapping[str, Any]]) -> list[Path]:
    """The data sources that settings name beside the run's own.

    Args:
        settings: A section a step.
    """
    sections = [settings.get(step, {}) for step in SOURCED]
    return [Path(section["data"]) for section in sections if section.get("data") and section.get("enabled", True)]


def _verdicts_version(path: Path, wanted: str) -> str:
    """The version of the file at `clean.verdicts`: the one that is named, if the file continues it, or else that of now."""
    data = verdicts.read_bytes(path)
    return verdicts.version(verdicts.at_version(data, wanted, f"{path} (clean.verdicts)") if wanted else data)


def on_this_machine(settings: Mapping[str, Mapping[str, Any]], num_gpus: int) -> Params:
    """The settings as they are computed on a machine, so that the cache knows what the result depends on.

    Args:
        settings: A section a step, complete.
        num_gpus: GPUs that a step has.

    Returns:
        The settings with this machine's processor in `train.processor` where a time limit is measured on it, and the number of
        processes, see `for_gpus`.
    """
    found = for_gpus(settings, num_gpus)
    if parse(TrainConfig, "train", found["train"]).is_time_limited:
        found["train"]["processor"] = device()
    return found


def for_gpus(settings: Mapping[str, Mapping[str, Any]], number: int) -> Params:
    """The settings with the number of GPUs that a step has in `train.num_processes`, where that is `auto` and there are several."""
    found = {step: dict(section) for step, section in settings.items()}
    if number > 1 and found["train"]["num_processes"] == "auto" and found["train"]["device"] != "cpu":
        found["train"]["num_processes"] = number
    return found


def settled(settings: Mapping[str, Mapping[str, Any]], measures: Mapping[str, float]) -> Params:
    """The settings of a run in which what it had measured and settled is set by hand: by its time limit, and whether it was compiled.

    Args:
        settings: A section a step.
        measures: What the run's `train` measured; without `settled_epochs` and `compiled` nothing was settled.
    """
    found = {step: dict(section) for step, section in settings.items()}
    if "settled_epochs" in measures:
        epochs = int(measures["settled_epochs"])
        found["train"] |= {"epochs": epochs, "side_px": int(measures["side_px"])} if epochs else {"model": PROBE}
        for step in {"pretrain", "tune"} & set(found) if not epochs else ():  # a probe took nothing from these
            found[step]["enabled"] = False
    if "compiled" in measures:
        found["train"]["compile"] = "on" if measures["compiled"] else "off"
    return found


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
    sections = read_params(params, tuple(overrides), SECTIONS)
    platform = read_platform(sections.pop(SECTION, {}))
    sections.pop(RETRAIN, None)  # it decides whether there is a run, not what it does
    unknown = sorted(set(sections) - set(STEPS), key=str)
    if unknown:
        raise InputError(f"{params} has a section {unknown[0]!r}, which is no step: known are {', '.join(STEPS)}, {SECTION}")
    settings = complete(sections)
    _refuse_idle_search(settings["tune"], settings["train"])  # here alone, so that a run from before can be repeated
    return settings, platform


def complete(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings of every step, checked and with defaults.

    Raises:
        InputError: A setting is wrong.
    """
    settings = {step: dump(config_of(step, sections.get(step, {}))) for step in STEPS}
    parse(type(config_of("ingest", {})), "evaluate.ingest", settings["evaluate"]["ingest"])
    parse(type(config_of("ingest", {})), "pretrain.ingest", settings["pretrain"]["ingest"])
    if evaluation_settings(settings).get("unlabelled"):
        raise InputError("ingest.unlabelled is true, but training and evaluation need labels: name such images in pretrain.data")
    parse(TrainConfig, "train", settings["train"]).check_folds(settings["split"]["num_folds"])
    if settings["pretrain"]["enabled"] and (model := settings["train"]["model"]) in ON_VECTORS:
        raise InputError(
            f"pretrain.enabled is true, but train.model is {model!r}, which is learnt from embeddings: set pretrain.enabled to false, or "
            "train.model to auto or a network"
        )
    for name in (settings["train"]["model"], *searched_values(settings["tune"]["search"], "train.model")):
        check_architecture(str(name))
    return settings


def _refuse_idle_search(tune: Mapping[str, Any], train: Mapping[str, Any]) -> None:
    """Refuses to search settings that no trial would read."""
    if not tune["enabled"] or "train.model" in tune["search"]:
        return
    model = str(train["model"])
    names = {f"train.{name}" for name in unread(model)}
    unused = [name for name in tune["search"] if name in names or (model in ON_VECTORS and not name.startswith("train."))]
    if unused:
        own = OF_ONE.get(model)
        remedy = f"search train.{own}" if own else "search others" if model not in ON_VECTORS else "set tune.enabled to false"
        raise InputError(f"tune.search names {unused[0]}, which {model} (train.model) does not read: leave it out, or {remedy}")
    searched = [name.removeprefix("train.") for name in tune["search"] if name.startswith("train.")]
    for name in searched:
        if reason := idle(name, train, searched):
            raise InputError(f"tune.search names train.{name}, which no trial reads, as {reason}: leave it out, or change that")


def arguments(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The arguments of the training pipeline that the settings decide: a section each, and how the further data is read.

    Args:
        settings: A section a step, complete; see `frozen` for the versions of such data.
    """
    evaluate, pretrain = settings["evaluate"], settings["pretrain"]
    off = {step: {"enabled": False} for step in ("pretrain", "tune") if not settings[step]["enabled"]}
    return {
        **settings,
        **off,  # what these would do enters no key
        "params": settings,
        "network": network_settings(settings),
        "floor_measure": floor_measure(settings),
        "verdicts": settings["clean"]["verdicts"],
        "verdicts_version": settings["clean"]["verdicts_version"],
        "ingest_evaluation": dump(config_of("ingest", evaluation_settings(settings))),
        "evaluation_data": evaluate["data"],
        "evaluation_version": evaluate["data_version"],
        "ingest_unlabelled": dump(config_of("ingest", unlabelled_settings(settings))),
        "unlabelled_data": pretrain["data"] if pretrain["enabled"] else "",
        "unlabelled_version": pretrain["data_version"] if pretrain["enabled"] else "",
    }


def known_settings(sections: Mapping[str, Mapping[str, Any]]) -> tuple[Params, list[str]]:
    """What the steps of now know of the settings that a run of another version kept.

    Args:
        sections: Settings, a section a step.

    Returns:
        The settings that are known, and the names of the others, such as `train.patience`.
    """
    sections = with_current_names(sections)
    known = {step: type(config_of(step, {})).model_fields for step in STEPS}
    names = {(step, name) for step, section in sections.items() for name in section}
    unknown = sorted(f"{step}.{name}" for step, name in names if name not in known.get(step, {}))
    return {step: {name: value for name, value in sections.get(step, {}).items() if name in known[step]} for step in STEPS}, unknown


def _source_name(source: Path) -> str:
    if is_address(source):
        return registry.safe_name(parse_address(source).title)
    name = source.resolve().name
    for ending in (".tar.gz", ".tar.xz", ".tar.bz2", ".tgz", ".tar", ".zip"):
        name = name.removesuffix(ending)
    return registry.safe_name(name)
