"""Notes: what a step decided, guessed or left out, a sentence each, for the person who started the run.

A note stands in what the step makes, and whatever is made of that carries it on: a manifest has the notes of all steps before
it, a model's card those of its whole history (`provenance["notes"]`). So a step that the cache answers for, or that ran on a
cluster, tells its notes as well. A note names nothing that depends on where the data stands: equal data makes equal bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from darkroom.system.formats import record_from

KEY = "notes"  # under which they stand in JSON


@dataclass(frozen=True)
class Note:
    """What a person should hear of a step.

    Attributes:
        step: The step, or the task where a step runs twice.
        text: One sentence, without a full stop.
        is_warning: Whether it may be a mistake of somebody's, or something was left out.
    """

    step: str
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"warning: {self.text}" if self.is_warning else self.text


def tell(step: str, texts: Iterable[str], warnings: Iterable[str] = ()) -> tuple[Note, ...]:
    """Prints what a step has to say, and gives it as notes, warnings first."""
    found = (*(Note(step, text, is_warning=True) for text in warnings), *(Note(step, text) for text in texts))
    for note in found:
        print(note, flush=True)
    return found


def plain(notes: Iterable[Note]) -> list[dict[str, Any]]:
    """Notes as JSON has them."""
    return [asdict(note) for note in notes]


def from_plain(values: Any) -> tuple[Note, ...]:
    """What `plain` gave; anything else is no note."""
    rows = values if isinstance(values, list | tuple) else ()
    return tuple(record_from(Note, row) for row in rows if isinstance(row, Mapping) and {"step", "text"} <= row.keys())


def with_notes_behind(notes: Sequence[Note], step: str, further: Iterable[Note]) -> tuple[Note, ...]:
    """Notes with further ones behind those of a step, in whose order they belong; before all others where that step has none."""
    end = max((number for number, note in enumerate(notes, start=1) if note.step == step), default=0)
    return (*notes[:end], *further, *notes[end:])


def ordered(notes: Iterable[Note]) -> list[Note]:
    """Warnings first; otherwise as they were noted."""
    return sorted(notes, key=lambda note: not note.is_warning)
