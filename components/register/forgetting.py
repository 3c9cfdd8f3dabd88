"""What a new version forgot: images of earlier versions' test sets that these had right and it has wrong."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from darkroom.evaluation import Predictions, read_predictions
from darkroom.outcome import Forgotten
from darkroom.registry.fetch import EVALUATION_KEPT, kept
from darkroom.registry.registry import Version, versions
from darkroom.tracking.log import run_facts
from darkroom.tracking.tags import MODEL_VERSION

MAX_EXAMPLES = 5
MAX_VERSIONS = 5  # so many earlier ones are asked, the newest first


def forgotten_since(name: str, number: int, now: Predictions) -> list[Forgotten]:
    """What a new version forgot of the test sets of those before it, the newest first.

    Args:
        name: The model.
        number: The new version.
        now: Its answers.
    """
    earlier = [version for version in versions(name) if version.number < number][:MAX_VERSIONS]
    found = ((version, before) for version, before in _answers(earlier) if set(before.image_ids) & set(now.image_ids))
    return [forgotten(version.number, before, now) for version, before in found]


def unfinished_maker(version: Version, run_id: str) -> list[str]:
    """The run that made a version, where it was ended before it had kept its results: the one that goes on keeps them there too.

    Args:
        version: The version that a run ends with.
        run_id: That run.
    """
    facts = run_facts(version.run_id) if version.run_id != run_id else None
    return [version.run_id] if facts and facts.status in ("FAILED", "KILLED") and MODEL_VERSION not in facts.tags else []


def _answers(earlier: Sequence[Version]) -> Iterator[tuple[Version, Predictions]]:
    for version in earlier:
        with tempfile.TemporaryDirectory() as temporary:
            if folder := kept(version, EVALUATION_KEPT, Path(temporary)):
                yield version, read_predictions(folder)


def forgotten(version: int, before: Predictions, now: Predictions) -> Forgotten:
    """What was forgotten of one earlier test set, on the images that both have answered, by today's labels.

    Args:
        version: The earlier version.
        before: Its answers on its test set.
        now: The new model's answers on its own.
    """
    known = set(now.image_ids)
    shared = [name for name in before.image_ids if name in known]
    new, old = now.at(shared), before.at(shared)
    y_true = new.names(new.y_true)
    right_now, right_then = (
        np.array([answer == label for answer, label in zip(model.names(model.y_pred), y_true, strict=True)], dtype=bool)
        for model in (new, old)
    )
    lost = np.flatnonzero(right_then & ~right_now)
    examples = tuple(new.paths[row] for row in lost[:MAX_EXAMPLES])
    return Forgotten(version, len(shared), int(right_then.sum()), len(lost), int((~right_then & right_now).sum()), examples)
