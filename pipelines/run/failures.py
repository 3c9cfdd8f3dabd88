"""How a step fails: by the user's mistake, or otherwise."""

from pathlib import Path

from darkroom.system.errors import InputError, RunError


class StepInputError(InputError):
    """A user's mistake that a step found, with the step."""

    def __init__(self, step: str, message: str) -> None:
        super().__init__(message)
        self.step = step


class StepFailedError(RunError):
    """A step failed for a reason that is not the user's: the step, the real error, and where its log is."""

    def __init__(self, step: str, reason: str, log: Path | str) -> None:
        super().__init__(f"{step} failed: {reason} (log: {log})")
        self.step, self.reason, self.log = step, reason, log
