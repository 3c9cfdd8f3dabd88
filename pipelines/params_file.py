"""Writes `params.yaml`: every setting with its value and, as a comment, the description of its field.

`make params` writes the file of the project. It keeps the values that are in it, so that a description, a new setting
or a new step never costs a value that somebody chose; without the file, every setting gets its default.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from components import STEPS
from darkroom.runtime.step import config_of
from darkroom.system.config import StepConfig, dump, parse, read_params
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.yaml_file import read_yaml
from pipelines.exit_status import exit_status
from pipelines.params import PARAMS, RETRAIN
from pipelines.platform import SECTION, PlatformConfig
from pipelines.retrain.decide import RetrainConfig
from pipelines.schedule.schedules import SECTION as SCHEDULES
from pipelines.schedule.schedules import ScheduleConfig

LONG = 100  # characters of a line from which a mapping is laid out
HEAD = "# Every setting of the pipeline with its default: a section a step. `darkroom run --set train.epochs=20` lays one over it.\n"


def configs() -> dict[str, type[StepConfig]]:
    """The class of each section's settings: the steps in flow order, then what is no step's."""
    return {**{step: type(config_of(step, {})) for step in STEPS}, SECTION: PlatformConfig, RETRAIN: RetrainConfig}


def params_text(values: Mapping[str, Mapping[str, Any]], schedules: list[dict[str, Any]] | None = None) -> str:
    """The text of the file.

    Args:
        values: Settings that are not their default, a section each.
        schedules: Entries of `schedules`.

    Raises:
        InputError: A value is out of bounds, or a name is not known.
    """
    sections = [_section(name, kind, values.get(name, {})) for name, kind in configs().items()]
    return "\n".join([HEAD, *sections, _schedules(schedules or [])])


def write_params(path: Path) -> None:
    """Writes the file again, with the values that are in it.

    Args:
        path: The file; it need not exist.

    Raises:
        InputError: The file is no YAML of sections, or one of its values is wrong.
    """
    values = read_params(path) if path.exists() else {}
    if unknown := sorted(set(values) - set(configs()), key=str):
        raise InputError(f"{path} has a section {unknown[0]!r}, which no step reads: remove it (known are {', '.join(configs())})")
    schedules = (read_yaml(path) or {}).get(SCHEDULES) if path.exists() else None
    with whole(path) as draft:
        draft.write_text(params_text(values, schedules), encoding="utf-8")


def _section(name: str, kind: type[StepConfig], values: Mapping[str, Any]) -> str:
    settings = dump(parse(kind, name, values))
    head = f"# {_sentences(kind)}\n{name}:"
    if not settings:
        return f"{head} {{}}\n"
    return f"{head}\n" + "".join(f"{line}\n" for line in _lines(kind, settings, "  "))


def _schedules(entries: list[dict[str, Any]]) -> str:
    """The list of schedules; with an example, commented out, where there is none."""
    head = f"# {_sentences(ScheduleConfig)}\n{SCHEDULES}:"
    if entries:
        return f"{head}\n{yaml.safe_dump(json.loads(json.dumps(entries)), sort_keys=False, allow_unicode=True)}"
    example = {name: _example(field) for name, field in ScheduleConfig.model_fields.items()}
    first, *others = _lines(ScheduleConfig, example, "    ")
    return "\n".join([f"{head} []", f"#  - {first.strip()}", *(f"#{line}" for line in others)]) + "\n"


def _lines(kind: type[StepConfig], settings: Mapping[str, Any], indent: str) -> Iterator[str]:
    """A line a setting: name, value, and its description in a column of its own; a long mapping has a line for each entry below."""
    plain = {name: [f"{indent}{name}: {yaml_value(settings[name])}"] for name in kind.model_fields}
    for name, value in settings.items():
        if isinstance(value, dict) and len(plain[name][0]) > LONG:
            plain[name] = [f"{indent}{name}:", *(f"{indent}  {yaml_value(key)}: {yaml_value(entry)}" for key, entry in value.items())]
    width = max(len(first) for first, *_ in plain.values())
    for name, (first, *entries) in plain.items():
        yield f"{first:<{width}}  # {_description(kind.model_fields[name])}"
        yield from entries


def yaml_value(value: Any) -> str:
    """A value as YAML on one line; texts have quotes only where YAML would read something else."""
    plain = isinstance(value, str) and value.isascii() and value.replace("_", "").replace("/", "").replace(".", "").isalnum()
    quotes = '"' if isinstance(value, str) and not (plain and yaml.safe_load(value) == value) else None
    text = yaml.safe_dump(value, default_style=quotes, default_flow_style=True, width=sys.maxsize, allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _example(field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else field.get_default(call_default_factory=True)


def _description(field: FieldInfo) -> str:
    """A field's description as a comment: begins in lower case, except with an abbreviation, and ends without a dot."""
    text = (field.description or "").removesuffix(".")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _sentences(kind: type[StepConfig]) -> str:
    return " ".join((kind.__doc__ or "").split())


if __name__ == "__main__":
    sys.exit(exit_status(lambda: write_params(PARAMS)))
