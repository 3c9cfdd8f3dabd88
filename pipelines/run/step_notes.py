"""The notes of a step that has ended: they stand in what it made, also where the cache answered."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from darkroom import evaluation, manifest
from darkroom.artifacts import model_notes
from darkroom.model import CARD
from darkroom.notes import Note
from darkroom.system.files import read_json


def step_notes(step: str, folders: Iterable[Path]) -> list[Note]:
    """The notes of one step.

    Args:
        step: Its name.
        folders: Where it left its outputs.
    """
    found = [note for folder in folders for path in sorted(folder.iterdir()) for note in _read(path)]
    return [note for note in dict.fromkeys(found) if note.step == step]


def entry_folders(entry: Path) -> set[Path]:
    """The folders of the outputs that an entry of kfp's cache points to; none where it can't be read."""
    try:
        outputs = read_json(entry)
    except (OSError, ValueError):
        return set()
    return {Path(output["uri"]).parent for output in outputs.values() if isinstance(output, Mapping) and output.get("uri")}


def _read(output: Path) -> tuple[Note, ...]:
    if not output.is_dir():
        return manifest.read_notes(output)
    return model_notes(output) if (output / CARD).exists() else evaluation.read_notes(output)
