"""Choices of Label Studio's taxonomies, which are paths of levels, and how its tables write several choices in a cell."""

import json
from collections.abc import Collection
from typing import Any

LEVELS = "\x1e"  # between the levels of a path; a character that no label contains


def as_path(levels: Any) -> Any:
    """The levels of a choice as one text; what is no list of texts is left as it is."""
    return LEVELS.join(levels) if isinstance(levels, list) and all(isinstance(level, str) for level in levels) else levels


def leaf_names(paths: Collection[str]) -> tuple[dict[str, str], str]:
    """What the choices of a taxonomy are called: by their last level, or, where two have the same one, by all levels.

    Args:
        paths: The choices that occur, see `as_path`.

    Returns:
        The name of each, and the sentence that says which it is; empty where no choice has several levels.
    """
    example = min((path for path in paths if LEVELS in path), default="")
    leaves = {path: path.rpartition(LEVELS)[2] for path in paths}
    if not example:
        return leaves, ""
    shown = example.replace(LEVELS, " > ")
    if len(set(leaves.values())) == len(paths):
        return leaves, f"the last level is the label, {leaves[example]!r} of {shown!r}"
    whole = {path: path.replace(LEVELS, "/") for path in paths}
    return whole, f"last levels are called alike, so that all levels are the label, {whole[example]!r} of {shown!r}"


def of_exported_cell(cell: Any) -> list[str] | None:
    """The choices of a cell of Label Studio's JSON-MIN or CSV: `{"choices": ["a", "b"]}`, `[{"taxonomy": [["a", "b"]]}]`.

    Args:
        cell: The cell; a text may hold JSON.

    Returns:
        Choices, see `as_path`; none where the cell is something else, as where it is one choice.
    """
    if isinstance(cell, str):
        if not cell.startswith(('{"choices"', '[{"choices"', '[{"taxonomy"')):
            return None
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    parts = cell if isinstance(cell, list) else [cell]
    found: list[str] = []
    for part in parts:
        choices = (part.get("choices") or part.get("taxonomy")) if isinstance(part, dict) else None
        if not isinstance(choices, list):
            return None
        found += [as_path(choice) for choice in choices]
    return found if found and all(isinstance(choice, str) for choice in found) else None
