"""The courier: delivers to MLflow beside a run."""

from darkroom.tracking import outbox
from pipelines.paths import OUTBOX
from pipelines.view import View


class Courier:
    """A view of a run that delivers what a step left for MLflow as soon as it has ended."""

    def __init__(self, view: View) -> None:
        self._view = view

    def started(self, step: str) -> None:
        """See `View`."""
        self._view.started(step)

    def progressed(self, step: str, line: str) -> None:
        """See `View`."""
        self._view.progressed(step, line)

    def finished(self, step: str, seconds: float, cached: bool) -> None:
        """See `View`."""
        self._view.finished(step, seconds, cached)
        if not cached:
            outbox.deliver_left(OUTBOX)

    def failed(self, step: str, seconds: float) -> None:
        """See `View`."""
        self._view.failed(step, seconds)
