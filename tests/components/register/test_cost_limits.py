"""Limits on latency and size, on two small models."""

from pathlib import Path

import pytest
import torch

from components.register.config import RegisterConfig
from components.register.cost_limits import compare_costs
from darkroom.model import ModelCard
from darkroom.networks.export import save_model
from darkroom.networks.small_cnn import SmallCNN


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and a champion that is as large and as fast."""
    folder = tmp_path_factory.mktemp("models")
    card = ModelCard("small_cnn", ("a", "b"), "multiclass", 32, (0.5,) * 3, (0.2,) * 3)
    for seed, name in enumerate(("challenger", "champion")):
        torch.manual_seed(seed)
        save_model(folder / name, SmallCNN(2, 32, widths=(8, 8, 8, 8)), card)
    return folder / "challenger", folder / "champion"


@pytest.mark.parametrize(
    ("limit", "asked"),
    [
        ({"max_size_mb": 0.0001}, "at most 0.0001 MB"),
        ({"max_latency_ms": 1e-6}, "at most 1e-06 ms"),
        ({"max_size_ratio": 0.5}, "at most 0.5 of the champion's size"),
        ({"max_latency_ratio": 0.01}, "at most 0.01 of the champion's latency"),
    ],
)
def test_a_model_that_costs_too_much_does_not_meet_the_limit(bundles: tuple[Path, Path], limit: dict[str, float], asked: str) -> None:
    (found,) = compare_costs(*bundles, RegisterConfig(**limit))
    assert (found.name, found.asked, found.met) == (next(iter(limit)), asked, False)


def test_a_model_within_its_limits_meets_them(bundles: tuple[Path, Path]) -> None:
    config = RegisterConfig(max_size_mb=1, max_latency_ms=1000, max_size_ratio=1.5, max_latency_ratio=100)
    found = compare_costs(*bundles, config)
    assert [row.name for row in found] == ["max_latency_ms", "max_latency_ratio", "max_size_mb", "max_size_ratio"]
    assert all(row.met for row in found)


def test_without_a_champion_a_ratio_limits_nothing(bundles: tuple[Path, Path]) -> None:
    assert compare_costs(bundles[0], None, RegisterConfig(max_size_ratio=0.5, max_latency_ratio=0.01)) == ()
