"""Who sees a run's progress."""

from typing import Protocol


class View(Protocol):
    """What a person sees of a run."""

    def started(self, step: str) -> None:
        """A step begins."""

    def progressed(self, step: str, line: str) -> None:
        """A step printed a line."""

    def finished(self, step: str, seconds: float, cached: bool) -> None:
        """A step ended well."""

    def failed(self, step: str, seconds: float) -> None:
        """A step failed."""


class Listener(View, Protocol):
    """A view that also takes messages for a person."""

    def note(self, text: str) -> None:
        """A message."""
