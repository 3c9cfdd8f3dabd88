"""The notes of a step that has ended: they stand in what it made, also where the cache answered."""

from collections.abc import Iterable
from pathlib import Path

from darkroom import embeddings, evaluation, manifest
from darkroom.artifacts import model_notes
from darkroom.model import CARD
from darkroom.notes import Note
from darkroom.pretrained_weights import read_pretrained
from darkroom.tuned import read_tuned


def step_notes(step: str, folders: Iterable[Path]) -> list[Note]:
    """The notes of one step.

    Args:
        step: Its name.
        folders: Where it left its outputs.
    """
    found = [note for folder in folders for path in sorted(folder.iterdir()) for note in _read(path)]
    return [note for note in dict.fromkeys(found) if note.step == step]


def _read(output: Path) -> tuple[Note, ...]:
    if output.name == "tuned":
        return read_tuned(output).notes
    if output.name == "pretrained":
        return read_pretrained(output).notes
    if not output.is_dir():
        return manifest.read_notes(output)
    if (output / CARD).exists():
        return model_notes(output)
    return (*embeddings.read_notes(output), *evaluation.read_notes(output))
