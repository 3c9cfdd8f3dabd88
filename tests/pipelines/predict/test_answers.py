"""What a model answers, and which threshold decided where that is not the most probable label."""

import numpy as np
import pytest

from darkroom.model import ModelCard, labels_of
from darkroom.task import Task
from pipelines.predict.answers import threshold_note


@pytest.mark.parametrize(
    ("task", "thresholds", "probabilities", "note"),
    [
        ("binary", (0.6,), (0.492, 0.508), "dog is the most probable, but the answer is cat: dog 0.508 is below its threshold 0.600"),
        ("binary", (0.4,), (0.55, 0.45), "cat is the most probable, but the answer is dog: dog 0.450 reaches its threshold 0.400"),
        ("binary", (0.4,), (0.45, 0.55), ""),
        ("binary", (0.6,), (0.7, 0.3), ""),
        ("multilabel", (0.3, 0.9), (0.4, 0.8), "dog is the most probable, but it is not among the answers: dog 0.800 is below its threshold 0.900"),  # noqa: E501
        ("multilabel", (0.3, 0.5), (0.4, 0.8), ""),
        ("multiclass", (), (0.4, 0.6), ""),
    ],
)  # fmt: skip
def test_the_threshold_that_decided_is_told(task: Task, thresholds: tuple[float, ...], probabilities: tuple[float, ...], note: str) -> None:
    card = ModelCard("small_cnn", ("cat", "dog"), task, 16, (0.5,) * 3, (0.5,) * 3, thresholds)
    row = np.array(probabilities, np.float32)
    chosen = labels_of(card, row[None])[0]
    labels = [card.classes[index] for index in (chosen.nonzero()[0] if task == "multilabel" else [chosen])]
    assert threshold_note(card, row, labels) == note
