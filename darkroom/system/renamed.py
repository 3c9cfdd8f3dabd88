"""Settings that were renamed: their old names are still read, in every file of settings."""

import copy
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError

Sections = dict[str, dict[str, Any]]

RENAMED = {"train.architecture": "train.model"}  # `step.setting` of an earlier release, and its name of now; entries stay for ever


def current_name(name: str) -> str:
    """The name of now of a setting that a person wrote, such as `train.epochs`; an old name is noted, once a process."""
    if name in RENAMED:
        _note_old_name(name, RENAMED[name])
    return RENAMED.get(name, name)


def with_current_names(sections: Mapping[str, Mapping[str, Any]], source: Path | None = None) -> Sections:
    """Settings under their names of now.

    Args:
        sections: Settings, a section a step.
        source: The file in which a person wrote them: old names in it are noted; none for what a run or a model kept.

    Raises:
        InputError: A setting is there under both of its names.
    """
    found = {step: copy.copy(section) if isinstance(section, dict) else dict(section) for step, section in sections.items()}
    for old, new in RENAMED.items():
        (old_step, _, old_setting), (step, _, setting) = old.partition("."), new.partition(".")
        if old_setting not in found.get(old_step, {}):
            continue
        if setting in found.get(step, {}):
            raise InputError(f"{source or 'the settings'} gives {new} twice, once as {old}, which is its old name: remove {old}")
        found.setdefault(step, {})[setting] = found[old_step].pop(old_setting)
        if source:
            _note_old_name(old, new)
    return found


@cache
def _note_old_name(old: str, new: str) -> None:
    print(f"note: {old} is called {new} now; its old name is still read", file=sys.stderr)
