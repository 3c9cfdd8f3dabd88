"""Pairs of similar signatures: all that comparing every pair finds, without comparing every pair."""

import numpy as np
import pytest

from darkroom.similarity.signatures import few_bits, similar_signatures


def compared(signatures: np.ndarray, max_bits: int) -> list[list[int]]:
    return np.argwhere(np.triu(np.bitwise_count(signatures[:, None] ^ signatures) <= max_bits, 1)).tolist()


@pytest.mark.parametrize("max_bits", [0, 3, 6])
@pytest.mark.parametrize("mask", [2**64 - 1, 0x00000000FFFF0F0F])  # the second: many share bytes
def test_all_pairs_are_found(max_bits: int, mask: int) -> None:
    rng = np.random.default_rng(0)
    signatures = np.unique(rng.integers(0, 2**64, 200, dtype=np.uint64) & np.uint64(mask))
    flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (len(signatures), 6), dtype=np.uint64), axis=1)
    signatures = np.unique(np.concatenate([signatures, signatures ^ flips]))
    rng.shuffle(signatures)
    assert similar_signatures(signatures, max_bits).tolist() == compared(signatures, max_bits)


def test_equal_signatures_are_paired_with_the_first_alone() -> None:
    assert similar_signatures(np.array([7, 5, 7, 7], np.uint64), 0).tolist() == [[0, 2], [0, 3]]
    assert similar_signatures(np.empty(0, np.uint64)).tolist() == []


def test_more_bits_than_can_be_found_are_refused() -> None:
    with pytest.raises(ValueError, match="6 bits"):
        similar_signatures(np.zeros(2, np.uint64), 7)


def test_where_all_are_similar_fewer_bits_count() -> None:
    rng = np.random.default_rng(0)
    assert few_bits(rng.integers(0, 2**64, 3000, dtype=np.uint64), 8) == 6
    alike = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (3000, 3), dtype=np.uint64), axis=1)
    bits = few_bits(alike, 8)
    assert bits < 6
    assert len(similar_signatures(alike, bits)) < 3000 * 8
    assert few_bits(np.empty(0, np.uint64), 8) == 6
