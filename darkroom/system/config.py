"""Settings: one frozen model a step, values from `params.yaml`, and errors that name the setting."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from darkroom.system.errors import InputError
from darkroom.system.formats import Format
from darkroom.system.renamed import current_name, with_current_names
from darkroom.system.yaml_file import Section, as_typed, place_of, read_yaml

LISTS = ("schedules",)  # what stands in `params.yaml` beside the sections, and is read by those it concerns

KEPT = Format("run's settings")  # of the file that a run keeps: a section a step, complete


class StepConfig(BaseModel):
    """Base of every step's settings: frozen, and a setting that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Config = TypeVar("Config", bound=StepConfig)


def parse(kind: type[Config], step: str, values: Mapping[str, Any]) -> Config:
    """Makes a step's settings from plain values.

    Args:
        kind: The step's model, such as `SplitConfig`.
        step: The step's name, for messages.
        values: Names and values, as in a section of `params.yaml`; whole floats count as integers, one text as a list of it.

    Raises:
        InputError: A value is out of bounds or of the wrong kind, or a name is not known.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        details = error.errors()
    numbers = [detail["loc"] for detail in details if detail["type"] == "string_type"]  # such as `name: 007`, where a text is asked for
    if numbers and (typed := as_typed(values, numbers)):
        return parse(kind, step, typed)
    if single := {name: [text] if text else [] for name, text in _texts_for_lists(details)}:
        return parse(kind, step, {**values, **single})
    raise InputError("; ".join(_sentence(kind, step, detail) + place_of(values, detail["loc"]) for detail in _one_a_value(details)))


def _texts_for_lists(details: Sequence[Any]) -> list[tuple[str, str]]:
    """The settings that are lists of texts and got one text, such as `ignore: masks`."""
    return [
        (str(detail["loc"][0]), str(detail["input"]))
        for detail in details
        if detail["type"] == "tuple_type" and len(detail["loc"]) == 1 and isinstance(detail["input"], str | int)
    ]


def _one_a_value(details: Sequence[Any]) -> list[dict[str, Any]]:
    """Joins what pydantic says for each type that a setting may have, such as a number or "auto", to one message."""
    joined: dict[tuple[Any, ...], dict[str, Any]] = {}
    for detail in details:
        message = detail["msg"].partition(", unable to parse")[0]
        place = (detail["loc"][0] if detail["loc"] else "", id(detail["input"]))
        if place in joined and detail["type"] == "literal_error":
            joined[place]["msg"] += f", or {message.removeprefix('Input should be ')}"
        else:
            joined[place if place not in joined else (*place, len(joined))] = detail | {"msg": message}
    return list(joined.values())


def _sentence(kind: type[StepConfig], step: str, detail: Any) -> str:
    name = ".".join([step, *(str(part) for part in detail["loc"] if part in kind.model_fields or isinstance(part, int))])
    if detail["type"] == "extra_forbidden" and len(detail["loc"]) > 1:
        return f"{name}.{detail['loc'][-1]} is no setting: see the comment beside {step}.{detail['loc'][0]} in params.yaml"
    if detail["type"] == "extra_forbidden":
        unknown = str(detail["loc"][-1])
        near = difflib.get_close_matches(unknown, list(kind.model_fields), n=1)
        hint = f"did you mean {step}.{near[0]}?" if near else f"known are: {', '.join(sorted(kind.model_fields))}"
        return f"{step}.{unknown} is no setting: {hint}"
    field = kind.model_fields.get(str(detail["loc"][0])) if detail["loc"] else None
    meaning = f" ({field.description.rstrip('.')})" if field and field.description else ""
    return f"{name} is {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}{meaning}"


def dump(config: StepConfig) -> dict[str, Any]:
    """Plain values of a step's settings, as they travel in a pipeline's arguments."""
    return config.model_dump(mode="json", exclude_none=True)


def read_params(path: Path, overrides: tuple[str, ...] = (), known: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Reads `params.yaml` and lays `--set step.name=value` over it; old names of settings are read as those of now.

    Args:
        path: The file, a section a step.
        overrides: Settings such as `train.epochs=3`; values are read as YAML.
        known: Sections that an override may name though the file lacks them.

    Returns:
        A dictionary of settings for each section.

    Raises:
        InputError: The file is no YAML of sections, or an override has no `step.name=value` form.
    """
    sections = read_yaml(path) or {}
    if isinstance(sections, dict):
        sections = {name: {} if section is None else section for name, section in sections.items() if name not in LISTS}
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise InputError(f"{path} must hold sections of settings, such as `train:` with `epochs: 3` below it")
    return overlay({**{name: {} for name in known}, **with_current_names(sections, path)}, overrides)


def overlay(sections: dict[str, dict[str, Any]], overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Lays `--set step.name=value` over settings, in place.

    Args:
        sections: A dictionary of settings for each section.
        overrides: Settings such as `train.epochs=3`; values are read as YAML.

    Raises:
        InputError: An override has no `step.name=value` form, or names no section.
    """
    for override in overrides:
        name, equals, text = override.partition("=")
        step, dot, setting = current_name(name.strip()).partition(".")
        if not (equals and dot and setting):
            raise InputError(f"--set {override!r} has not the form step.setting=value, such as train.epochs=3")
        if step not in sections:
            raise InputError(f"--set {override!r} names no step: known are {', '.join(sections)}")
        section = Section.of(sections[step])
        section.lay_over(setting, text)
        sections[step] = section
    return sections
