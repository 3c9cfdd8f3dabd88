"""Champion or challenger, on answers made by hand."""

from typing import Any

import numpy as np
import pytest

from components.evaluation import Predictions
from components.manifest import Task
from components.register.promotion import compare


def answers(
    predicted: list[int], truth: list[int], names: str = "abcdefgh", classes: tuple[str, ...] = ("cat", "dog"), task: Task = "multiclass"
) -> Predictions:
    """Answers that are sure of themselves."""
    ids = tuple(names[: len(truth)])
    sure = np.eye(len(classes), dtype=np.float32)[predicted]
    return Predictions(ids, ids, classes, task, np.array(truth), np.array(predicted), sure)


TRUTH = [0, 0, 1, 1]


def test_better_on_the_shared_images_becomes_champion() -> None:
    verdict = compare(answers([0, 0, 1, 1], TRUTH), answers([0, 1, 1, 1], TRUTH), 4, "accuracy", 0.0)
    assert (verdict.decision, verdict.score, verdict.rival_score, verdict.num_shared) == ("champion", 1.0, 0.75, 4)
    assert verdict.reason == "on 4 shared test images its accuracy of 1.0000 is better than version 4's 0.7500"


def test_equally_good_is_not_better() -> None:
    verdict = compare(answers([0, 1, 1, 1], TRUTH), answers([0, 0, 0, 1], TRUTH), 4, "accuracy", 0.0)
    assert verdict.decision == "challenger"
    assert verdict.reason.endswith("its accuracy of 0.7500 is as good as version 4's 0.7500")


def test_only_shared_images_count() -> None:
    mine = answers([0, 0, 1, 1], TRUTH, "wxab")
    theirs = answers([1, 1, 0, 0], [1, 1, 0, 0], "abyz")
    verdict = compare(mine, theirs, 1, "accuracy", 0.0)
    assert (verdict.num_shared, verdict.score, verdict.rival_score, verdict.decision) == (2, 1.0, 1.0, "challenger")


def test_the_challenger_s_labels_are_the_truth() -> None:
    verdict = compare(answers([0, 0, 1, 1], TRUTH), answers([1, 1, 0, 0], [1, 1, 0, 0]), 1, "accuracy", 0.0)
    assert (verdict.score, verdict.rival_score) == (1.0, 0.0)


def test_the_order_of_images_does_not_matter() -> None:
    verdict = compare(answers([0, 0, 1, 1], TRUTH, "abcd"), answers([1, 1, 0, 0], [1, 1, 0, 0], "dcba"), 1, "accuracy", 0.0)
    assert (verdict.score, verdict.rival_score) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"classes": ("cat", "owl")}, "it can't be compared: its classes differ from those of version 3 in 'dog', 'owl'"),
        ({"classes": ("dog", "cat")}, "it can't be compared: its classes differ from those of version 3 in their order"),
        ({"task": "binary"}, "it can't be compared: its task is multiclass, that of version 3 is binary"),
        ({"names": "stuv"}, "it can't be compared: it shares no test image with version 3"),
    ],
)
def test_what_can_t_be_compared_is_refused(other: dict[str, Any], reason: str) -> None:
    verdict = compare(answers([0, 0, 1, 1], TRUTH), answers([1, 1, 0, 0], TRUTH, **other), 3, "accuracy", 0.0)
    assert (verdict.decision, verdict.reason, verdict.measure) == ("challenger", reason, "")


def test_a_measure_that_is_not_defined_there_promotes_nobody() -> None:
    verdict = compare(answers([0, 0], [0, 0]), answers([1, 1], [0, 0]), 3, "roc_auc", 0.0)
    assert (verdict.decision, verdict.reason) == ("challenger", "roc_auc is not defined on the 2 shared test images")
