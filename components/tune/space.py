"""The search space: which settings of `train` and `augment` are searched, and among which values, within the settings' own bounds."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from components.train.config import TrainConfig
from darkroom.augmentation.policy_settings import FLIPS, PolicySettings
from darkroom.system.config import StepConfig, parse
from darkroom.system.errors import InputError
from darkroom.system.renamed import current_name
from darkroom.tracking.tags import KUBEFLOW_RUN

SEARCHED: Mapping[str, type[StepConfig]] = {"train": TrainConfig, "augment": PolicySettings}  # steps whose settings are searched
DATABASES = ("sqlite", "postgresql")
_FIXED = (  # what compares trials, and what changes no result
    "monitor", "device", "num_threads", "num_processes", "num_nodes", "compile", "processor", "weights_version", "time_limit_min",
    "distill_folds",
)  # of train  # fmt: skip
_WEIGHTS = ("", "auto", "DEFAULT")  # that need no file of the user's


@dataclass(frozen=True)
class Choices:
    """Values of a setting, of which a trial has one."""

    values: tuple[bool | int | float | str, ...]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included: all, or those at a distance of `step`; integers where both limits are.

    Attributes:
        log: Whether each order of magnitude is as likely as the next.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_integer(self) -> bool:
        """Whether only whole numbers count."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Parameter = Choices | Range


def check_space(search: Mapping[str, Any]) -> dict[str, Any]:
    """A search space under the names of now.

    Args:
        search: A list of values, or a range, by `step.setting`.

    Raises:
        InputError: A name is no setting that can be searched, or one of its values is out of the setting's bounds.
    """
    found = {_checked_name(name): wanted for name, wanted in search.items()}
    parameters_of(found)
    return found


def parameters_of(search: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters of a search by the name of their setting, in alphabetical order; see `check_space`."""
    return {name: _parameter(name, search[name]) for name in sorted(search)}


def searched_values(search: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """The values that a search lists for a setting; none where it lists none."""
    found = parameters_of(search).get(name)
    return found.values if isinstance(found, Choices) else ()


def grid_of(space: Mapping[str, Parameter]) -> dict[str, list[Any]]:
    """The values that a grid has in each direction.

    Raises:
        InputError: A range has endlessly many.
    """
    return {name: _points(name, parameter) for name, parameter in space.items()}


def check_storage(storage: str) -> str:
    """Raises `InputError` where an address of a storage has a password or a scheme that is not known; gives the address."""
    scheme, found, rest = storage.partition("://")
    if found and scheme.partition("+")[0] not in DATABASES:
        raise InputError(f"tune.storage begins with {scheme}://: give a file, sqlite:///FILE or postgresql://HOST/NAME")
    if found and urlsplit(storage).password is not None:
        shown = f"{scheme}, {rest.rpartition('@')[2]}"
        raise InputError(f"tune.storage holds a password ({shown}): leave it out, and give it in the environment as PGPASSWORD")
    return storage


def check_cluster(storage: str, num_workers: int = 1, *, on_cluster: bool | None = None) -> None:
    """Raises `InputError` where the pods of a cluster would share an SQLite file, or several tasks no database.

    Args:
        storage: `tune.storage`.
        num_workers: `tune.num_workers`.
        on_cluster: Whether the steps run there; where it is not said, the environment tells.
    """
    on_cluster = bool(os.environ.get(KUBEFLOW_RUN)) if on_cluster is None else on_cluster
    if on_cluster and storage.startswith("sqlite"):
        raise InputError(f"tune.storage is {storage}, and SQLite breaks on a cluster's shared storage: give postgresql://HOST/NAME")
    if on_cluster and num_workers > 1 and not storage.startswith("postgresql"):
        shown = storage or "empty"
        raise InputError(
            f"tune.num_workers is {num_workers}, which share trials in a database, and tune.storage is {shown}: give postgresql://HOST/NAME"
        )


def _checked_name(name: str) -> str:
    name = current_name(str(name))
    known = [f"{step}.{setting}" for step, config in SEARCHED.items() for setting in config.model_fields]
    if name.removeprefix("train.") in _FIXED:
        raise InputError(f"tune.search names {name}, which is equal in all trials: set it in the section train")
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "give such as train.learning_rate or augment.rotation_degrees"
    raise InputError(
        f"tune.search names {name!r}, and only settings of train, and those of augment that say what is done on the fly, are: {hint}"
    )


def _parameter(name: str, wanted: Any) -> Parameter:
    if isinstance(wanted, list | tuple) and wanted:
        return Choices(tuple(_value(name, value) for value in wanted))
    if isinstance(wanted, Mapping) and {"low", "high"} <= set(wanted) <= {"low", "high", "log", "step"}:
        return _range(name, wanted)
    raise InputError(f"tune.search has {wanted!r} for {name}: give a list of values, or {{low: 1e-4, high: 1e-2, log: true}}")


def _range(name: str, wanted: Mapping[str, Any]) -> Range:
    low, high, log, step = _number(name, wanted["low"]), _number(name, wanted["high"]), wanted.get("log", False), wanted.get("step")
    problem = ""
    if low >= high:
        problem = "low must be smaller than high"
    elif not isinstance(log, bool):
        problem = "log must be true or false"
    elif log and (low <= 0 or step is not None):
        problem = "a range with log begins above 0 and has no step"
    elif step is not None and not (type(step) in (int, float) and 0 < step <= high - low):
        problem = "step must be a number above 0 that fits into the range"
    elif step is not None and isinstance(low, int) and step != int(step):
        problem = "step must be a whole number"
    if problem:
        raise InputError(f"tune.search has {dict(wanted)!r} for {name}: {problem}")
    return Range(low, high, log, step)


def _number(name: str, value: Any) -> float:
    found = _value(name, value)
    if isinstance(found, bool | str):
        raise InputError(f"tune.search has {value!r} as a limit of {name}: a range is of numbers, give a list of values")
    return found


def _value(name: str, value: Any) -> bool | int | float | str:
    """A value as the setting has it: Kubeflow makes 8.0 of 8."""
    step, _, setting = name.partition(".")
    try:
        found = getattr(parse(SEARCHED[step], step, {setting: value}), setting)
    except InputError as error:
        raise InputError(f"tune.search: {error}") from None
    if not isinstance(found, bool | int | float | str):
        raise InputError(f"tune.search names {name}, whose values are neither numbers nor texts: set it in the section {step}")
    if name == "train.weights" and found not in _WEIGHTS:
        raise InputError(
            f"tune.search has {found!r} for {name}: of a file or a registered model nothing is fetched for trials; set it in train"
        )
    if step == "augment" and setting in FLIPS and isinstance(found, str):
        raise InputError(f"tune.search has {found!r} for {name}, which the first trial has where that is set: give chances from 0 to 1")
    return found


def _points(name: str, parameter: Parameter) -> list[Any]:
    if isinstance(parameter, Choices):
        return list(parameter.values)
    if parameter.log or (parameter.step is None and not parameter.is_integer):
        raise InputError(f"tune.sampler is grid, and {name} is a range without a step: give its values as a list")
    step = parameter.step or 1
    number = int((parameter.high - parameter.low) / step + 1e-9) + 1
    points = parameter.low + step * np.arange(number)
    return [int(point) if parameter.is_integer else float(point) for point in points]
