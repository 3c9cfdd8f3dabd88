"""What the floor asks of a model before it becomes champion."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from components.register.candidate import Candidate
from components.register.config import RegisterConfig
from components.register.floor_limit import floor_limits
from components.register.gate import decide
from darkroom.artifacts import Artifacts
from darkroom.manifest import Manifest, make_table
from darkroom.metrics.paired_comparison import compare_models
from darkroom.model import CARD as CARD_FILE
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
        (card(0.7, 0.8, "register"), "accuracy", [False]),
        (dataclasses.replace(card(0.7, 0.8, "register"), architecture="probe(x)"), "accuracy", []),  # the floor in the network's place
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


@pytest.mark.parametrize(
    ("pruned", "full", "registered"),
    [
        (card(0.85, 0.8), card(0.9, 0.8), "pruned"),
        (card(0.75, 0.8), card(0.9, 0.8), "full"),
        (card(0.75, 0.8), card(0.78, 0.8), "pruned"),
        (card(0.75, 0.8, "report"), card(0.9, 0.8, "report"), "pruned"),
    ],
)
def test_the_full_model_is_taken_where_the_pruned_one_alone_falls_below_the_floor(
    tmp_path: Path, pruned: ModelCard, full: ModelCard, registered: str
) -> None:
    paths = {field.name: tmp_path / field.name for field in dataclasses.fields(Artifacts)}
    for name, made in (("model", full), ("pruned_model", dataclasses.replace(pruned, pruning={"met": True}))):
        paths[name].mkdir()
        made.write(paths[name] / CARD_FILE)
    Manifest(make_table({"path": []}), ("cat", "dog"), "binary", "v1").write(paths["splits"])
    found = Candidate.choose("toys", Artifacts(**paths), None, RegisterConfig(measure="accuracy"))
    assert found.variant == registered
    assert [note.step for note in found.notes] == (["register"] if registered == "full" else [])
    assert found.bundle == paths["pruned_model" if registered == "pruned" else "model"]
