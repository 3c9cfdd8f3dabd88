"""Who sees a run's progress."""

from collections.abc import Sequence
from typing import Protocol

from darkroom.notes import Note


class View(Protocol):
    """What a person sees of a run."""

    def started(self, step: str) -> None:
        """A step begins."""

    def progressed(self, step: str, line: str) -> None:
        """A step printed a line."""

    def finished(self, step: str, seconds: float, cached: bool) -> None:
        """A step ended well."""

    def told(self, step: str, notes: Sequence[Note]) -> None:
        """What a step that ended well had to say, in this run or in the one from which the cache has it."""

    def failed(self, step: str, seconds: float) -> None:
        """A step failed."""


class Listener(View, Protocol):
    """A view that also takes messages for a person."""

    def note(self, text: str) -> None:
        """A message."""
