"""Champion or challenger, on answers made by hand."""

from typing import Any

import numpy as np
import pytest

from components.register.config import RegisterConfig
from components.register.gate import decide, refusal
from darkroom.comparison import Limit
from darkroom.evaluation import Predictions
from darkroom.metrics.paired_comparison import compare_models
from darkroom.outcome import Verdict
from darkroom.task import Task


def answers(
    y_pred: list[int], y_true: list[int], names: str = "", classes: tuple[str, ...] = ("cat", "dog"), task: Task = "multiclass"
) -> Predictions:
    """Answers that are sure of themselves."""
    ids = tuple(names) if names else tuple(f"{number:03d}" for number in range(len(y_true)))
    sure = np.eye(len(classes), dtype=np.float32)[y_pred]
    return Predictions(ids, ids, classes, task, np.array(y_true), np.array(y_pred), sure, np.arange(len(y_true)))


def verdict_on(
    challenger: Predictions, champion: Predictions, champion_version: int = 4, costs: tuple[Limit, ...] = (), **settings: Any
) -> Verdict:
    config = RegisterConfig(**{"measure": "accuracy", "num_resamples": 200, **settings})
    compared = compare_models(challenger, champion, config.measure, f"version {champion_version}", num_resamples=200, seed=0)
    assert compared is not None
    return decide(compared, costs, champion_version, config)


TRUTH = [0, 1] * 10


def wrong_at(*rows: int) -> list[int]:
    """Answers to `TRUTH` that are wrong in some rows."""
    return [1 - label if row in rows else label for row, label in enumerate(TRUTH)]


def test_better_on_the_shared_images_becomes_champion() -> None:
    verdict = verdict_on(answers(TRUTH, TRUTH), answers(wrong_at(0, 1, 2), TRUTH))
    assert verdict.decision == "champion"
    assert verdict.reason == (
        "on 20 shared test images its accuracy of 1.0000 is better than version 4's 0.8500 "
        "(+0.1500, 95 % interval -0.0384 to +0.3604, p = 0.250)"
    )
    assert [(limit.name, limit.met) for limit in verdict.limits] == [("min_gain", True), ("promote_if", True), ("max_recall_drop", True)]


def test_a_gain_that_a_coin_would_bring_is_none() -> None:
    verdict = verdict_on(answers(wrong_at(0), TRUTH), answers(wrong_at(2, 4), TRUTH))
    assert verdict.decision == "challenger"
    assert verdict.reason.endswith("p = 1.000), but by no more than chance would do")


def test_one_image_more_is_better_where_none_is_lost() -> None:
    assert verdict_on(answers(TRUTH, TRUTH), answers(wrong_at(2), TRUTH)).decision == "champion"
    assert verdict_on(answers(TRUTH, TRUTH), answers(wrong_at(2), TRUTH), promote_if="significantly_better").decision == "challenger"


def test_equally_good_is_not_better() -> None:
    verdict = verdict_on(answers(wrong_at(0), TRUTH), answers(wrong_at(1), TRUTH))
    assert verdict.decision == "challenger"
    assert verdict.reason == "on 20 shared test images its accuracy of 0.9500 is as good as version 4's 0.9500"


def test_min_gain_must_be_passed() -> None:
    verdict = verdict_on(answers(TRUTH, TRUTH), answers(wrong_at(0, 1, 2), TRUTH), min_gain=0.15)
    assert verdict.decision == "challenger"
    assert verdict.reason.endswith("p = 0.250), but not by more than the 0.15 that register.min_gain asks for")


@pytest.mark.parametrize(
    ("num_wrong", "decision", "ending"),
    [
        (6, "champion", "p = 0.031)"),
        (5, "challenger", "p = 0.062), but not significantly: register.promote_if asks for p below 0.05"),
    ],
)
def test_significantly_better_asks_for_evidence(num_wrong: int, decision: str, ending: str) -> None:
    verdict = verdict_on(answers(TRUTH, TRUTH), answers(wrong_at(*range(num_wrong)), TRUTH), promote_if="significantly_better")
    assert (verdict.decision, verdict.reason.endswith(ending)) == (decision, True), verdict.reason


@pytest.mark.parametrize(
    ("num_wrong", "decision", "ending"),
    [
        (0, "champion", "is as good as version 4's 1.0000, but not significantly"),
        (5, "champion", "p = 0.062), but not significantly, which is enough for register.promote_if not_worse"),
        (6, "challenger", "p = 0.031)"),
    ],
)
def test_not_worse_is_enough_where_that_is_asked_for(num_wrong: int, decision: str, ending: str) -> None:
    verdict = verdict_on(answers(wrong_at(*range(num_wrong)), TRUTH), answers(TRUTH, TRUTH), promote_if="not_worse", max_recall_drop="none")
    assert verdict.decision == decision
    assert ending in verdict.reason


def test_a_class_that_loses_its_recall_keeps_a_better_model_back() -> None:
    y_true = [0] * 10 + [1] * 50
    challenger = answers([1] * 6 + [0] * 4 + [1] * 50, y_true)
    champion = answers([0] * 10 + [0] * 20 + [1] * 30, y_true)
    verdict = verdict_on(challenger, champion)
    assert verdict.decision == "challenger"
    assert verdict.reason.endswith(
        "but the recall of 'cat' falls from 1.0000 to 0.4000, by more than the 0.1 that register.max_recall_drop allows"
    )
    assert [limit.name for limit in verdict.limits if not limit.met] == ["max_recall_drop"]
    assert verdict_on(challenger, champion, max_recall_drop=0.6).decision == "champion"
    assert verdict_on(challenger, champion, max_recall_drop="none").decision == "champion"


def test_a_fall_of_recall_on_few_images_may_be_chance() -> None:
    y_true = [0] * 4 + [1] * 50
    challenger = answers([1, 1, 1, 1] + [1] * 50, y_true)
    champion = answers([0] * 4 + [0] * 20 + [1] * 30, y_true)
    assert verdict_on(challenger, champion).decision == "champion"  # 4 of 4 lost: a coin does that once in 16 times


def test_a_cost_above_its_limit_keeps_a_better_model_back() -> None:
    cost = Limit("max_size_mb", "at most 2 MB", "size of 3 MB", False)
    verdict = verdict_on(answers(TRUTH, TRUTH), answers(wrong_at(0, 1, 2), TRUTH), costs=(cost,))
    assert verdict.decision == "challenger"
    assert verdict.reason.endswith(", but its size of 3 MB is more than register.max_size_mb allows (at most 2 MB)")


def test_a_first_model_only_has_to_beat_the_constant_answer() -> None:
    verdict = verdict_on(
        answers(wrong_at(0), TRUTH), answers([0] * 20, TRUTH), champion_version=0, promote_if="significantly_better", min_gain=0.9
    )
    assert verdict.decision == "champion"
    assert verdict.reason.startswith("there was no champion yet; on 20 test images its accuracy of 0.9500 is better than the 0.5000 of ")
    worse = verdict_on(answers([0] * 20, TRUTH), answers([0] * 20, TRUTH), champion_version=0, promote_if="not_worse")
    assert worse.decision == "challenger"
    assert "is as good as the 0.5000 of" in worse.reason


@pytest.mark.parametrize(
    ("num_right", "settings", "decision"),
    [  # of the ten images that always answering 0 has wrong; McNemar's p is 2 ** (1 - num_right)
        (1, {}, "challenger"),
        (5, {}, "challenger"),
        (6, {}, "champion"),
        (5, {"significance": 0.1}, "champion"),
        (6, {"significance": 0.01}, "challenger"),
        (5, {"promote_if": "not_worse"}, "challenger"),
    ],
)
def test_a_first_champion_beats_the_constant_answer_by_more_than_chance(num_right: int, settings: dict[str, Any], decision: str) -> None:
    constant = [0] * 20
    model = [label if row < 2 * num_right else 0 for row, label in enumerate(TRUTH)]
    verdict = verdict_on(answers(model, TRUTH), answers(constant, TRUTH), champion_version=0, **settings)
    assert verdict.decision == decision
    (limit,) = verdict.limits
    assert (limit.name, limit.met) == ("baseline", decision == "champion")
    assert ("register.significance" in verdict.reason) == (decision == "challenger")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"classes": ("cat", "owl")}, "it can't be compared: its classes differ from those of version 3 in 'dog', 'owl'"),
        ({"classes": ("dog", "cat")}, "it can't be compared: its classes differ from those of version 3 in their order"),
        ({"task": "binary"}, "it can't be compared: its task is multiclass, that of version 3 is binary"),
        ({"names": "stuv"}, "it can't be compared: it shares no test image with version 3"),
        ({}, ""),
    ],
)
def test_what_can_t_be_compared_is_refused(other: dict[str, Any], reason: str) -> None:
    assert (
        refusal(answers([0, 0, 1, 1], [0, 0, 1, 1], "abcd"), answers([1, 1, 0, 0], [0, 0, 1, 1], **{"names": "abcd", **other}), 3) == reason
    )


def test_a_champion_without_answers_can_t_be_compared() -> None:
    assert refusal(answers([0], [0]), None, 3) == "it can't be compared: the answers of version 3 were not kept"


def test_a_verdict_survives_its_tags() -> None:
    verdict = verdict_on(answers(TRUTH, TRUTH), answers(wrong_at(0, 1, 2), TRUTH))
    assert Verdict.from_plain(verdict.decision, verdict.reason, verdict.plain()) == verdict


def test_a_verdict_of_an_earlier_darkroom_is_read_without_its_numbers() -> None:
    old = {"rival": 2, "measure": "f1_macro", "score": 0.8, "rival_score": 0.9, "num_shared": 12}
    assert Verdict.from_plain("challenger", "it is worse", old) == Verdict("challenger", "it is worse", 2)
