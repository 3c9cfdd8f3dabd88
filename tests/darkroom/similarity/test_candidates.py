"""Candidates: vectors are projected once, whoever asks for them."""

from pathlib import Path

import numpy as np
import pytest

from darkroom import embeddings
from darkroom.embeddings import Embeddings, Origin, make_batch
from darkroom.preprocessing.recipe import Recipe
from darkroom.similarity import candidates
from darkroom.similarity.candidates import Projection
from darkroom.similarity.neighbours import projected

NUM_FEATURES = 300  # more than are kept


@pytest.fixture
def seven(tmp_path: Path) -> Embeddings:
    vectors = np.random.default_rng(0).standard_normal((7, NUM_FEATURES))
    norms, blank = np.linalg.norm(vectors, axis=1), np.zeros((7, 32, 32), np.uint8)
    names = [f"i{row}" for row in range(7)]
    batch = make_batch(names, vectors / norms[:, None], norms, blank, np.zeros((7, 8, 8, 3), np.uint8), [0] * 7)
    embeddings.write(tmp_path / "embeddings", Origin("lite0", "ab" * 32, "features", Recipe(224), "float32", "cpu", NUM_FEATURES), [batch])
    return Embeddings(tmp_path / "embeddings")


def test_vectors_are_projected_once_in_any_order(seven: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(vectors: np.ndarray, key: str) -> np.ndarray:
        asked.append(len(vectors))
        return projected(vectors, key)

    monkeypatch.setattr(candidates, "projected", counted)
    monkeypatch.setattr(candidates, "_BLOCK", 2)
    vectors = Projection(seven)
    for rows in ([3, 1, 3], [0, 1, 2, 3, 6], [], [6, 0]):
        names = [f"i{row}" for row in rows]
        np.testing.assert_allclose(vectors.of(names), projected(seven.of(names), seven.origin.key), atol=1e-6)
    assert asked == [2, 2, 1]


def test_an_image_without_a_vector_has_no_projection(seven: Embeddings) -> None:
    assert ("i3" in Projection(seven), "i9" in Projection(seven)) == (True, False)
    with pytest.raises(KeyError):
        Projection(seven).of(["i9"])
