"""A model that does more takes longer, and one that does the same takes the same."""

from pathlib import Path

import pytest
import torch

from darkroom.metrics.latency import compare_latency
from darkroom.model import ModelCard
from darkroom.networks.export import save_model
from darkroom.networks.small_cnn import SmallCNN


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models: `wide` does about 16 times as much as `narrow`."""
    folder = tmp_path_factory.mktemp("models")
    card = ModelCard("small_cnn", ("a", "b"), "multiclass", 64, (0.5,) * 3, (0.2,) * 3)
    for name, widths in (("wide", (64, 128, 256, 256)), ("narrow", (16, 32, 64, 64))):
        torch.manual_seed(0)
        save_model(folder / name, SmallCNN(2, 64, widths=widths), card)
    return folder


def test_a_smaller_model_is_faster(folder: Path) -> None:
    found = compare_latency(folder / "wide", folder / "narrow", num_rounds=3, num_threads=1)
    assert 0 < found.after_ms < found.before_ms
    assert found.ratio == found.after_ms / found.before_ms < 0.6


def test_a_model_is_as_fast_as_itself(folder: Path) -> None:
    found = compare_latency(folder / "wide", folder / "wide", num_rounds=9, num_threads=1)
    assert 0.5 < found.ratio < 2.0  # whatever else the machine does falls on both
