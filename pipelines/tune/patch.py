"""The patch: settings written into `params.yaml`, with every other line, and every comment, as it was."""

import difflib
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom.system.config import read_params
from darkroom.system.errors import InputError
from darkroom.system.renamed import RENAMED
from pipelines.params_file import yaml_value


def patch(path: Path, settings: Mapping[str, Any]) -> str:
    """The change of a file of settings, as `patch -p1` and `git apply` take it in its folder.

    Args:
        path: The file.
        settings: Values by `step.setting`.

    Raises:
        InputError: The file is laid out in a way that no line can be changed alone.
    """
    before, after = (text.splitlines(keepends=True) for text in (path.read_text(encoding="utf-8"), patched(path, settings)))
    return "".join(difflib.unified_diff(before, after, f"a/{path.name}", f"b/{path.name}"))


def patched(path: Path, settings: Mapping[str, Any]) -> str:
    """The text of a file of settings with other values; arguments as `patch`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for name, value in settings.items():
        step, _, setting = name.partition(".")
        _set(lines, step, setting, yaml_value(value), _old_names(name))
    text = "\n".join(lines) + "\n"
    if not _means(text, _wanted(path, settings)):
        raise InputError(f"{path} is laid out in a way that can't be changed by the line: set {', '.join(settings)} in it by hand")
    return text


def _old_names(name: str) -> list[str]:
    """Earlier names of a setting within the same section."""
    step = name.partition(".")[0]
    return [old.partition(".")[2] for old, new in RENAMED.items() if new == name and old.partition(".")[0] == step]


def _set(lines: list[str], step: str, setting: str, value: str, old_names: list[str]) -> None:
    """Replaces a setting's line, or adds one below the section's; a section that is not there is added at the end."""
    section = next((number for number, line in enumerate(lines) if re.match(rf"{re.escape(step)}:\s*(#.*)?$", line)), None)
    if section is None:
        lines += ["", f"{step}:", f"  {setting}: {value}"]
        return
    end = next((number for number in range(section + 1, len(lines)) if re.match(r"[^\s#]", lines[number])), len(lines))
    for name in (setting, *old_names):
        for number in range(section + 1, end):
            if match := re.match(rf"(?P<indent>\s+){re.escape(name)}:(?P<rest>\s.*|)$", lines[number]):
                lines[number] = _changed(lines[number], f"{match['indent']}{setting}: {value}")
                return
    lines.insert(section + 1, f"  {setting}: {value}")


def _changed(line: str, new: str) -> str:
    """A new line with the comment of the old one, in its column where there is room."""
    comment = re.search(r"\s#.*$", line)
    return f"{new:<{comment.start() - 1}}  {comment[0].strip()}" if comment else new


def _means(text: str, wanted: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a text is a file of exactly these settings."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "params.yaml"
        copy.write_text(text, encoding="utf-8")
        try:
            return read_params(copy) == wanted
        except InputError:  # such as of a section that stands twice now
            return False


def _wanted(path: Path, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sections = read_params(path)
    for name, value in settings.items():
        step, _, setting = name.partition(".")
        sections[step] = {**sections.get(step, {}), setting: value}
    return sections
