"""What a person sees while a pipeline runs: a line a step, and below it the line that the running step printed last."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from darkroom.notes import Note, ordered
from pipelines.terminal import visible

MAX_NOTES = 6  # of a step


class Progress:
    """Prints to standard error, so that standard output stays for results; without a terminal a line a finished step."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._status: Status | None = None

    def started(self, step: str) -> None:
        """Shows that a step runs."""
        self._status = self.console.status(f"[bold]{step}[/]")
        self._status.start()

    def progressed(self, step: str, line: str) -> None:
        """Shows the line that a step printed last."""
        if self._status is not None:
            width = max(20, self.console.width - len(step) - 6)
            self._status.update(f"[bold]{step}[/] [dim]{escape(line[:width])}[/]")

    def finished(self, step: str, seconds: float, cached: bool) -> None:
        """Leaves a line for a step that is done."""
        self.stop()
        self.console.print(f"[green]✓[/] {step:<17} {'[dim]from the cache[/]' if cached else f'{seconds:6.1f} s'}")

    def told(self, step: str, notes: Sequence[Note]) -> None:
        """Leaves a few lines of what a step decided, warnings first."""
        for note in ordered(notes)[:MAX_NOTES]:
            self.console.print(f"  [{'yellow' if note.is_warning else 'dim'}]{escape(visible(str(note)))}[/]", soft_wrap=True)
        if len(notes) > MAX_NOTES:
            self.console.print(f"  [dim]and {len(notes) - MAX_NOTES} notes more, in the report and in `--json`[/]")

    def failed(self, step: str, seconds: float) -> None:
        """Leaves a line for a step that failed."""
        self.stop()
        self.console.print(f"[red]✗[/] {step:<17} {seconds:6.1f} s")

    def note(self, text: str) -> None:
        """Prints a message above the progress."""
        self.console.print(escape(visible(text)), soft_wrap=True)

    def stop(self) -> None:
        """Ends the line of the running step."""
        if self._status is not None:
            self._status.stop()
            self._status = None
