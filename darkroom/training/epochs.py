"""What takes the measures of a training's epochs while it runs; known without torch, to steps that load it late or never."""

from collections.abc import Callable

OnEpoch = Callable[[int, dict[str, float]], None]


def nothing(epoch: int, measures: dict[str, float]) -> None:
    """Ignores an epoch."""
