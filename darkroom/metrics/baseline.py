"""The baseline of a first model: the best answer that is the same for every image."""

import dataclasses

import numpy as np

from darkroom.evaluation import Predictions
from darkroom.metrics.measures import Floats, Ints, one_hot


def constant_answer(predictions: Predictions, measure: str) -> tuple[Predictions, str]:
    """What a model could say without looking.

    Args:
        predictions: Answers on test images; only their truth counts.
        measure: What decides.

    Returns:
        The answers, and what they are called: the most frequent class, or for multi-label those labels, from the most frequent
        on, that reach the highest value. Ties go to the class that comes first.
    """
    often = one_hot(predictions.truth, len(predictions.classes)).mean(0)
    order = np.argsort(-often, kind="stable")
    if predictions.task != "multilabel":
        return _always(predictions, order[:1], often), f"always answering {predictions.classes[order[0]]!r}"
    choices = [_always(predictions, order[:number], often) for number in range(len(order) + 1)]
    best = max(range(len(choices)), key=lambda number: choices[number].measures().get(measure, 0.0))
    return choices[best], f"always answering {_named([predictions.classes[index] for index in order[:best]])}"


def _always(predictions: Predictions, chosen: Ints, often: Floats) -> Predictions:
    answer = np.zeros(len(often), dtype=np.int64)
    answer[chosen] = 1
    single = predictions.task != "multilabel"
    predicted = np.full(len(predictions), answer.argmax()) if single else np.tile(answer, (len(predictions), 1))
    likely = np.tile(often.astype(np.float32), (len(predictions), 1))
    return dataclasses.replace(predictions, predicted=predicted, probabilities=likely)


def _named(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or "no label"
