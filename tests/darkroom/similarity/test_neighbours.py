"""Nearest neighbours: the same as by sorting all, and a projection that further images do not change."""

import os
import subprocess
import sys

import numpy as np
import pytest

from darkroom.similarity import neighbours
from darkroom.similarity.neighbours import nearest_pairs, projected


def unit_vectors(number: int, num_features: int) -> np.ndarray:
    vectors = np.random.default_rng(1).standard_normal((number, num_features)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("block", [1, 2**20])
def test_each_is_paired_with_its_nearest(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_VALUES", block)
    vectors = unit_vectors(60, 8)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    expected = {
        tuple(sorted((row, int(other)))) for row in range(60) for other in np.argsort(-cosines[row])[:3] if cosines[row, other] >= 0.5
    }
    assert {tuple(pair) for pair in nearest_pairs(vectors, 3, 0.5).tolist()} == expected


def test_many_are_compared_in_cells_and_copies_are_found() -> None:
    vectors = unit_vectors(900, 32)
    vectors[450:] = vectors[:450] + 0.05 * vectors[450:]
    vectors = vectors[np.random.default_rng(2).permutation(900)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    exact, found = (nearest_pairs(vectors, 4, 0.9, most) for most in (900, 899))
    assert len(exact) == 450
    assert len(set(map(tuple, found.tolist())) & set(map(tuple, exact.tolist()))) >= 447
    assert np.bincount(nearest_pairs(vectors, 1, max_exact=10).ravel(), minlength=900).min() >= 1


@pytest.mark.parametrize("number", [0, 1, 2])
def test_few_images_have_few_pairs(number: int) -> None:
    assert len(nearest_pairs(unit_vectors(number, 4), 8)) == number // 2


def test_a_projection_keeps_angles_and_belongs_to_its_key() -> None:
    vectors = unit_vectors(50, 1280)
    vectors[1] = vectors[0] + 0.02 * vectors[2]
    small = projected(vectors, "a backbone")
    assert small.shape == (50, 256)
    np.testing.assert_allclose(np.linalg.norm(small, axis=1), 1, atol=1e-5)
    assert small[0] @ small[1] > 0.99
    assert abs(small[0] @ small[3] - vectors[0] @ vectors[3]) < 0.3
    np.testing.assert_allclose(projected(vectors[:20], "a backbone"), small[:20], atol=1e-6)
    assert not np.allclose(projected(vectors, "another"), small, atol=0.01)
    assert projected(vectors[:, :8], "a backbone").shape == (50, 8)


_IN_CELLS = """
from pathlib import Path
from darkroom.system.cores import share_cores
share_cores()  # from here on malloc keeps what is freed, as in every step
import numpy as np
from darkroom.similarity import neighbours
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
neighbours.BLOCK_VALUES = 2**21
vectors = np.random.default_rng(0).standard_normal((100_000, 8)).astype(np.float32)
neighbours.nearest_pairs(vectors[:30_000], 1)
before = peak()
neighbours.nearest_pairs(vectors, 1)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process has resident")
def test_products_of_many_blocks_are_not_in_memory_together() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    done = subprocess.run([sys.executable, "-c", _IN_CELLS], capture_output=True, text=True, check=True, env=plain)
    assert int(done.stdout) < 200, "MB: those of all blocks with all centres are 480"
