"""What makes a training quick where its test asks for nothing of it."""

from collections.abc import Iterator
from functools import partial

import pytest

from components.train import learning_curves
from darkroom.networks import small_cnn
from darkroom.networks.cost import facts_of


@pytest.fixture
def narrow_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The small network with few channels: with all of them, weights of more than a million cost most of a training on toys."""
    monkeypatch.setattr(small_cnn, "SmallCNN", partial(small_cnn.SmallCNN, widths=(8, 8, 16, 16)))
    facts_of.cache_clear()
    yield
    facts_of.cache_clear()


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning curves aren't drawn, which takes a third of a training on toys."""
    monkeypatch.setattr(learning_curves, "draw", lambda *arguments: None)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation's figures aren't drawn, which takes most of an evaluation on toys; test_figures.py draws those of every task."""
    monkeypatch.setattr("components.evaluate.evaluate.draw", lambda folder, predictions, found: folder.mkdir())
