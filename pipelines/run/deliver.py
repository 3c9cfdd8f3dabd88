"""Delivery to MLflow beside a run: what a step has left in its journal, as soon as it has ended."""

from darkroom.tracking import outbox
from pipelines.paths import OUTBOX
from pipelines.view import View


class DeliveringView:
    """A view of a run that delivers each time that a step has ended well."""

    def __init__(self, view: View) -> None:
        self.started, self.progressed, self.told, self.failed = view.started, view.progressed, view.told, view.failed
        self._finished = view.finished

    def finished(self, step: str, seconds: float, cached: bool) -> None:
        """See `View`."""
        self._finished(step, seconds, cached)
        if not cached:
            outbox.deliver_left(OUTBOX)
