"""What the floor asks of a model before it becomes champion."""

import dataclasses
from typing import Any

import pytest

from components.register.config import RegisterConfig
from components.register.floor_limit import floor_limits
from components.register.gate import decide
from darkroom.metrics.paired_comparison import compare_models
from darkroom.model import ModelCard
from tests.components.register.test_gate import TRUTH, answers, wrong_at

CARD = ModelCard("small_cnn", ("cat", "dog"), "multiclass", 8, (0.5,) * 3, (0.5,) * 3)


def card(model: float, floor: float, required: str = "require") -> ModelCard:
    known = {"required": required, "architecture": "probe(x)", "validation": {"accuracy": {"model": model, "floor": floor}}}
    return dataclasses.replace(CARD, provenance={"floor": known})


@pytest.mark.parametrize(
    ("made", "measure", "met"),
    [
        (card(0.9, 0.8), "accuracy", [True]),
        (card(0.8, 0.8), "accuracy", [True]),
        (card(0.7, 0.8), "accuracy", [False]),
        (card(0.7, 0.8, "report"), "accuracy", []),
        (card(0.7, 0.8, "register"), "accuracy", []),
        (card(0.7, 0.8), "roc_auc", []),
        (CARD, "accuracy", []),
    ],
)
def test_the_validation_images_decide_where_the_floor_is_required(made: ModelCard, measure: Any, met: list[bool]) -> None:
    assert [limit.met for limit in floor_limits(made, RegisterConfig(measure=measure))] == met


@pytest.mark.parametrize("champion_version", [0, 4])
def test_a_model_below_its_floor_is_challenger_at_most(champion_version: int) -> None:
    config = RegisterConfig(measure="accuracy", num_resamples=200)
    compared = compare_models(answers(TRUTH, TRUTH), answers(wrong_at(*range(8)), TRUTH), "accuracy", "x", num_resamples=200, seed=0)
    assert compared is not None
    for made, decision in ((card(0.9, 0.8), "champion"), (card(0.7, 0.8), "challenger")):
        verdict = decide(compared, (), champion_version, config, floor_limits(made, config))
        assert verdict.decision == decision
        assert ("train.floor" in verdict.reason) == (decision == "challenger")
        assert [limit.met for limit in verdict.limits if limit.name == "floor"] == [decision == "champion"]
