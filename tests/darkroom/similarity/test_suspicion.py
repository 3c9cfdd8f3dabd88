"""Suspicious neighbours: those that are nearer than the spread of a class lets expect, whatever its density and dimension."""

import numpy as np
import numpy.typing as npt
import pytest

from darkroom.similarity import suspicion
from darkroom.similarity.suspicion import suspicious_neighbours

Floats = npt.NDArray[np.float32]


def cloud(seed: int, number: int, spread: float = 0.3, dimensions: int = 8) -> Floats:
    """Unit vectors around one direction, spread over so many dimensions, dense in the middle."""
    rng = np.random.default_rng(seed)
    found = np.zeros((number, 32), np.float32)
    found[:, 0] = 1
    found[:, 1 : dimensions + 1] = rng.normal(0, spread, (number, dimensions)) * rng.uniform(0.3, 1, (number, 1))
    return unit(found)


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def ones(number: int, column: int = 0, width: int = 2) -> Floats:
    return np.tile(np.eye(width, dtype=np.float32)[column], (number, 1))


@pytest.mark.parametrize("dimensions", [4, 8, 20])
def test_different_things_are_hardly_ever_suspicious(dimensions: int) -> None:
    vectors, others = cloud(0, 400, dimensions=dimensions), cloud(1, 900, dimensions=dimensions)
    found = suspicious_neighbours(vectors, others, ones(400), ones(900), 0.999)
    assert len(np.unique(found.pairs[:, 0])) <= 6


def test_near_images_are_found_though_their_copies_are_near_each_other_too() -> None:
    others = np.repeat(cloud(2, 200), 3, axis=0)
    rng = np.random.default_rng(3)
    others = unit(others + rng.normal(0, 0.003, others.shape))
    vectors = unit(others[::6] + rng.normal(0, 0.003, others[::6].shape))
    found = suspicious_neighbours(vectors, others, ones(100), ones(600), 0.999)
    assert len(np.unique(found.pairs[:, 0])) >= 95
    same = found.pairs[:, 0] * 6 // 3 == found.pairs[:, 1] // 3
    assert same.mean() > 0.95
    assert (np.diff(found.cosines)[np.diff(found.pairs[:, 0]) == 0] <= 0).all()  # the nearest first


def test_images_without_a_common_label_are_not_compared() -> None:
    vectors = cloud(4, 60)
    assert len(suspicious_neighbours(vectors, vectors, ones(60), ones(60), 0.999).pairs) == 60
    assert len(suspicious_neighbours(vectors, vectors, ones(60), ones(60, 1), 0.999).pairs) == 0
    assert len(suspicious_neighbours(vectors, vectors, ones(60), ones(60), 0.999, themselves=True).pairs) <= 2


@pytest.mark.parametrize("themselves", [False, True])
def test_blocks_change_nothing_and_few_images_say_nothing(monkeypatch: pytest.MonkeyPatch, themselves: bool) -> None:
    vectors = cloud(5, 80)
    vectors[1::10] = unit(vectors[::10] + 0.001)
    labels = np.eye(2, dtype=np.float32)[np.arange(80) % 5 // 4]
    expected = suspicious_neighbours(vectors, vectors, labels, labels, 0.99, themselves=themselves)
    monkeypatch.setattr(suspicion, "_COSINES", 80 * 7)
    monkeypatch.setattr(suspicion, "_ROWS", 33)
    found = suspicious_neighbours(vectors, vectors, labels, labels, 0.99, themselves=themselves)
    assert len(expected.pairs) > 4 and found.pairs.tolist() == expected.pairs.tolist()
    np.testing.assert_allclose(found.cosines, expected.cosines, atol=1e-6)
    few = vectors[:14]
    assert len(suspicious_neighbours(few, few, ones(14), ones(14), 0.99).pairs) == 0
    assert len(suspicious_neighbours(vectors[:0], few, ones(0), ones(14), 0.99).pairs) == 0
