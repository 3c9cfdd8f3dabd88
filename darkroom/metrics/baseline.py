"""The baseline of a first model: the best prediction that is the same for every image."""

import dataclasses

import numpy as np

from darkroom.evaluation import Predictions
from darkroom.metrics.measures import Floats, Ints, one_hot


def constant_answer(predictions: Predictions, measure: str) -> tuple[Predictions, str]:
    """What a model could predict without looking at the image.

    Args:
        predictions: Answers on test images; only their `y_true` is used.
        measure: What decides, for multi-label.

    Returns:
        The answers, and what they are called: the most frequent class, or for multi-label those labels, from the most frequent
        on, that reach the highest value. Ties go to the class that comes first.
    """
    frequency = one_hot(predictions.y_true, len(predictions.classes)).mean(0)
    order = np.argsort(-frequency, kind="stable")
    if predictions.task != "multilabel":
        return _constant(predictions, order[:1], frequency), f"always answering {predictions.classes[order[0]]!r}"
    choices = [_constant(predictions, order[:number], frequency) for number in range(len(order) + 1)]
    best = max(range(len(choices)), key=lambda number: choices[number].measures().get(measure, 0.0))
    return choices[best], f"always answering {_listed([predictions.classes[index] for index in order[:best]])}"


def _constant(predictions: Predictions, chosen: Ints, frequency: Floats) -> Predictions:
    answer = np.zeros(len(frequency), dtype=np.int64)
    answer[chosen] = 1
    single = predictions.task != "multilabel"
    y_pred = np.full(len(predictions), answer.argmax()) if single else np.tile(answer, (len(predictions), 1))
    y_score = np.tile(frequency.astype(np.float32), (len(predictions), 1))
    return dataclasses.replace(predictions, y_pred=y_pred, y_score=y_score)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or "no label"
