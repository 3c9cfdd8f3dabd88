"""A warm start from a real champion: taken where it fits, and where not, the reason."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from darkroom.registry import registry
from darkroom.registry.package import bundle_sha256
from darkroom.tracking.tags import SHA256
from pipelines.plan import Plan, make_plan
from pipelines.retrain.warm_start import warm_start
from tests.pipelines.conftest import ROOT, Toys


def fitting(toys: Toys, **train: Any) -> Plan:
    settings = toys.plan.params["train"] | {"model": "linear"} | train
    return dataclasses.replace(toys.plan, params=toys.plan.params | {"train": settings})


def test_the_champion_s_weights_are_named_by_their_content(toys: Toys, tmp_path: Path) -> None:
    warm, start = warm_start(fitting(toys), tmp_path)
    best = registry.champion("toys")
    assert best is not None
    assert (start.start, start.message) == ("champion", "starting from the weights of version 1")
    assert warm.params["train"]["weights"] == str(tmp_path / best.tags[SHA256] / "weights.safetensors")
    assert bundle_sha256(tmp_path / best.tags[SHA256]) == best.tags[SHA256]
    assert warm.params["train"]["side_px"] == 16
    assert warm.params["split"] == toys.plan.params["split"]


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ({"model": "small_cnn"}, "its architecture is linear, train.model is small_cnn"),
        ({"side_px": 32}, "it is made for 16 px, train.side_px is 32"),
        ({"weights": "mine.safetensors"}, "train.weights is 'mine.safetensors' already"),
    ],
)
def test_what_does_not_fit_is_told(toys: Toys, tmp_path: Path, train: dict[str, Any], reason: str) -> None:
    given = fitting(toys, **train)
    warm, start = warm_start(given, tmp_path)
    assert (warm, start.message) == (given, f"starting from scratch: version 1 does not fit ({reason})")


def test_other_classes_do_not_fit(toys: Toys, tmp_path: Path) -> None:
    source = tmp_path / "toys"
    shutil.copytree(toys.source, source)
    (source / "owl").rename(source / "hawk")
    given = dataclasses.replace(make_plan(source, [], ROOT / "params.yaml"), params=fitting(toys).params)
    warm, start = warm_start(given, tmp_path / "models")
    assert (warm, start.message) == (given, "starting from scratch: version 1 does not fit (its classes differ in 'hawk', 'owl')")


def test_without_a_champion_it_starts_from_scratch(toys: Toys, tmp_path: Path) -> None:
    given = dataclasses.replace(toys.plan, name="others")
    assert warm_start(given, tmp_path)[1].message == "starting from scratch: there is no champion to start from"
