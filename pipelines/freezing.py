"""Freezing: which version of the user's own evaluation set a run is judged on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError
from darkroom.versions.data_version import check_source, data_version

Params = dict[str, dict[str, Any]]


def frozen(params: Mapping[str, Mapping[str, Any]]) -> Params:
    """The settings with the version of `evaluate.data` in `evaluate.data_version`, so that caches and keys know its content.

    Args:
        params: Settings, a section a step, complete.

    Raises:
        InputError: The set is not there, or is not the version that the settings name.
    """
    settings = {step: dict(section) for step, section in params.items()}
    wanted, source = str(settings["evaluate"]["data_version"]), str(settings["evaluate"]["data"])
    if not source:
        if wanted:
            raise InputError(
                f"evaluate.data_version is {wanted!r}, but evaluate.data names no evaluation set: name one, or leave both empty"
            )
        return settings
    check_source(Path(source))
    found = data_version(Path(source))
    if wanted not in ("", found):
        raise InputError(
            f"evaluate.data is {source}, which is now version {found}, not the {wanted} of evaluate.data_version: bring that version "
            "back, or change the setting (then new models and old ones are judged on different images)"
        )
    settings["evaluate"]["data_version"] = found
    return settings
