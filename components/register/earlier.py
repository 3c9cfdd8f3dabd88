"""The earlier versions of a model, and what a new one forgot of the test sets that they were judged on."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.evaluation import Predictions, read_predictions
from components.forgetting import Forgotten, compare
from components.registry import EVALUATION_KEPT, kept
from components.versions import Version, versions

MAX_VERSIONS = 5  # so many earlier ones are asked, the newest first


def forgotten_since(name: str, number: int, now: Predictions) -> list[Forgotten]:
    """What a new version forgot of the test sets of those before it, the newest first.

    Args:
        name: The model.
        number: The new version.
        now: Its answers.
    """
    earlier = [version for version in versions(name) if version.number < number][:MAX_VERSIONS]
    return [compare(version.number, before, now) for version, before in _answers(earlier) if set(before.image_ids) & set(now.image_ids)]


def _answers(earlier: Sequence[Version]) -> Iterator[tuple[Version, Predictions]]:
    for version in earlier:
        with tempfile.TemporaryDirectory() as place:
            if folder := kept(version, EVALUATION_KEPT, Path(place)):
                yield version, read_predictions(folder)
