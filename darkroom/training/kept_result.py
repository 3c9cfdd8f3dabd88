"""What a training settled before its first epoch, kept beside its checkpoints: a resumed one takes it as it was found."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from darkroom.system.files import read_json, write_json

Values = Mapping[str, Any]


def kept_result(path: Path | None, settings: Values, find: Callable[[], Values]) -> Values:
    """The values that are kept for equal settings; else those that are found now, which are then kept.

    Args:
        path: The file, or none where nothing is kept.
        settings: What the result depends on, beside the inputs, as plain values.
        find: Gives the result, as plain values.
    """
    known = read_json(path) if path and path.is_file() else {}
    if known.get("settings") == settings:
        kept: Values = known["result"]
        return kept
    found = find()
    if path:
        write_json(path, {"settings": settings, "result": found})
    return found
