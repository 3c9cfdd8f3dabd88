"""How units are assigned to the splits, against the ideal and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.model_selection import train_test_split

from darkroom.stratification import demand, stratify

SHARES = np.array([0.7, 0.15, 0.15])


def classes_of(counts: list[int]) -> csr_array:
    labels = np.repeat(np.arange(len(counts)), counts)
    return csr_array((np.ones(len(labels), dtype=np.int64), labels, np.arange(len(labels) + 1)), shape=(len(labels), len(counts)))


def counts_of(labels: csr_array, codes: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(labels[np.flatnonzero(codes == split)].sum(axis=0)) for split in range(3)], axis=1)


def nothing(labels: csr_array) -> np.ndarray:
    return np.zeros((labels.shape[1] + 1, 3), dtype=np.int64)


def ones(labels: csr_array) -> np.ndarray:
    return np.ones(labels.shape[0], dtype=np.int64)


@settings(max_examples=100, deadline=None)
@example([3, 32], 0.25, 0.0625, 0)
@given(st.lists(st.integers(3, 400), min_size=1, max_size=12), st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.integers(0, 1000))
def test_single_images_are_spread_within_one_of_their_share(counts: list[int], test: float, validation: float, seed: int) -> None:
    labels, shares = classes_of(counts), np.array([1 - test - validation, validation, test])
    found = counts_of(labels, stratify(labels, ones(labels), nothing(labels), shares, exclusive=True, seed=seed))
    assert found.sum(axis=1).tolist() == counts
    assert found.min() >= 1
    ideal = np.array(counts)[:, None] * shares
    large = ideal.min(axis=1) >= 1  # a smaller class gives up some of its share, so that every split has one
    assert np.abs(found - ideal)[large].max(initial=0) < 1


def test_counts_agree_with_scikit_learn_to_one_image() -> None:
    counts = [357, 215, 253, 300, 17]
    labels = classes_of(counts)
    found = counts_of(labels, stratify(labels, ones(labels), nothing(labels), SHARES, exclusive=True, seed=0))
    truth = labels.indices
    rest, test = train_test_split(truth, test_size=0.15, stratify=truth, random_state=0)
    train, validation = train_test_split(rest, test_size=0.15 / 0.85, stratify=rest, random_state=0)
    theirs = np.stack([np.bincount(part, minlength=5) for part in (train, validation, test)], axis=1)
    assert np.abs(found - theirs).max() <= 1
    assert np.abs(found.sum(axis=0) - theirs.sum(axis=0)).max() <= 1


def test_roundings_of_many_small_classes_even_out() -> None:
    labels = classes_of([10] * 200)
    found = counts_of(labels, stratify(labels, ones(labels), nothing(labels), SHARES, exclusive=True, seed=0))
    assert found.sum(axis=0).tolist() == [1400, 300, 300]


@pytest.mark.parametrize(
    ("placed", "new", "shares", "expected"),
    [
        pytest.param([0, 0, 0], 100, [0.7, 0.15, 0.15], [70, 15, 15], id="from-scratch"),
        pytest.param([70, 15, 15], 100, [0.7, 0.15, 0.15], [70, 15, 15], id="grown"),
        pytest.param([10, 0, 90], 100, [0.7, 0.15, 0.15], [110 * 0.7 / 0.85 - 10, 110 * 0.15 / 0.85, 0], id="too-much-test"),
        pytest.param([0, 0, 50], 100, [0.7, 0.15, 0.0], [100 * 0.7 / 0.85, 100 * 0.15 / 0.85, 0], id="test-closed"),
    ],
)
def test_wishes_bring_totals_towards_the_shares(placed: list[int], new: int, shares: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(demand(np.array([placed]), np.array([new]), np.array(shares)), [expected])


@pytest.mark.parametrize("seed", range(5))
def test_each_label_of_a_multilabel_set_gets_its_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.random((2000, 25)) < rng.uniform(0.005, 0.9, 25)).astype(np.int64)
    truth[:, 7] = 0  # never occurs
    labels = csr_array(truth)
    codes = stratify(labels, ones(labels), nothing(labels), SHARES, exclusive=False, seed=seed)
    found, occurring = counts_of(labels, codes), np.flatnonzero(truth.sum(axis=0))
    shares = found[occurring] / found[occurring].sum(axis=1, keepdims=True)
    assert found[7].tolist() == [0, 0, 0]
    assert found[occurring].min() >= 1
    few = truth.sum(axis=0)[occurring] < 100
    assert np.abs(shares - SHARES)[~few].max(initial=0) < 0.03
    assert np.abs(found - truth.sum(axis=0)[:, None] * SHARES)[occurring][few].max(initial=0) <= 3
    assert np.abs(np.bincount(codes) / 2000 - SHARES).max() < 0.01


def test_iterative_stratification_beats_chance_on_rare_labels() -> None:
    truth = (np.random.default_rng(0).random((600, 10)) < 0.02).astype(np.int64)
    labels = csr_array(truth)
    ideal = truth.sum(axis=0)[:, None] * SHARES
    codes = stratify(labels, ones(labels), nothing(labels), SHARES, exclusive=False, seed=0)
    shuffled = np.random.default_rng(1).permutation(codes)
    assert np.abs(counts_of(labels, codes) - ideal).sum() < 0.4 * np.abs(counts_of(labels, shuffled) - ideal).sum()


def test_groups_of_uneven_sizes_still_meet_the_shares() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 30, 300)
    classes = rng.integers(0, 4, 300)
    labels = csr_array((sizes, classes, np.arange(301)), shape=(300, 4))
    found = counts_of(labels, stratify(labels, sizes, nothing(labels), SHARES, exclusive=True, seed=0))
    np.testing.assert_allclose(found / found.sum(axis=1, keepdims=True), np.tile(SHARES, (4, 1)), atol=0.01)


def test_three_large_groups_of_a_class_go_one_to_each_split() -> None:
    labels = csr_array(np.array([[10, 0], [10, 0], [10, 0], [0, 10], [0, 10], [0, 10]]))
    sizes = np.full(6, 10)
    assert counts_of(labels, stratify(labels, sizes, nothing(labels), SHARES, exclusive=True, seed=0)).tolist() == [[10, 10, 10]] * 2


def test_units_without_a_label_are_spread_by_their_number() -> None:
    labels = csr_array(np.zeros((100, 3), dtype=np.int64))
    assert np.bincount(stratify(labels, ones(labels), nothing(labels), SHARES, exclusive=False, seed=0)).tolist() == [70, 15, 15]


def test_closed_splits_take_nothing() -> None:
    labels = classes_of([50, 50])
    codes = stratify(labels, ones(labels), nothing(labels), np.array([0.7, 0.15, 0.0]), exclusive=True, seed=0)
    assert counts_of(labels, codes).tolist() == [[41, 9, 0], [41, 9, 0]]


def images_of(labels: csr_array, sizes: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Images of each label, and in the last row of all, in each split."""
    return np.append(counts_of(labels, codes), [np.bincount(codes, sizes, 3).astype(np.int64)], axis=0)


def best_gain(labels: csr_array, sizes: np.ndarray, codes: np.ndarray, placed: np.ndarray) -> float:
    """The share of the sum of squares that the best exchange, or move, of units of a split that is off takes away; each is tried."""
    wanted = placed + demand(placed, np.append(labels.sum(axis=0), sizes.sum()), SHARES)
    images, units = placed + images_of(labels, sizes, codes), np.column_stack([labels.toarray(), sizes])
    last = ((units[:, :-1] > 0) & (units[:, :-1] >= images[:-1, codes].T)).any(axis=1)
    overall = images[:-1].sum(axis=1) / images[-1].sum()

    def off(of: np.ndarray) -> np.ndarray:
        beyond = of - wanted
        beyond[..., :-1, :] -= overall[:, None] * beyond[..., -1:, :]
        return beyond

    uneven = (np.abs(off(images)) > np.maximum(0.01 * wanted[-1], min(sizes.max(), 2))).any(axis=0)
    before, nobody = float(((off(images) / wanted[-1]) ** 2).sum()), np.zeros((1, units.shape[1]), units.dtype)
    gains = [0.0]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        if uneven[[first, second]].any():
            one, other = (np.append(units[(codes == split) & ~last], nobody, axis=0) for split in (first, second))
            moved = (one[:, None] - other).reshape(-1, units.shape[1])
            tried = np.repeat(images[None], len(moved), axis=0)
            tried[:, :, first] -= moved
            tried[:, :, second] += moved
            gains.append(1 - float(((off(tried) / wanted[-1]) ** 2).sum(axis=(1, 2)).min()) / before)
    return max(gains)


@settings(max_examples=60, deadline=None)
@example(60, 1, True, 174)
@given(st.integers(60, 250), st.integers(1, 12), st.booleans(), st.integers(0, 1000))
def test_no_exchange_brings_shares_of_several_labels_nearer(num: int, largest: int, grown: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, largest + 1, num)
    labels = csr_array(rng.binomial(sizes[:, None], [0.95, 0.55, 0.3, 0.1]))
    placed = nothing(labels)
    if grown:  # half of them came earlier, and are where this function put them
        early = stratify(labels[: num // 2], sizes[: num // 2], placed, SHARES, exclusive=False, seed=seed)
        placed = images_of(labels[: num // 2], sizes[: num // 2], early)
        labels, sizes = labels[num // 2 :], sizes[num // 2 :]
    codes = stratify(labels, sizes, placed, SHARES, exclusive=False, seed=seed)
    assert best_gain(labels, sizes, codes, placed) < 1e-5


@pytest.mark.parametrize("largest", [1, 2, 5, 12])
def test_small_sets_of_several_labels_have_each_share_within_a_point_or_one_group(largest: int) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, largest + 1, 150)
        labels = csr_array(rng.binomial(sizes[:, None], [0.95, 0.55, 0.3, 0.1]))
        codes = stratify(labels, sizes, nothing(labels), SHARES, exclusive=False, seed=seed)
        found = images_of(labels, sizes, codes)
        shares, all_shares = found[:-1] / found[-1], found[:-1].sum(axis=1) / found[-1].sum()
        assert (np.abs(shares - all_shares[:, None]) <= np.maximum(0.01, 1.2 * largest / found[-1])).all()


def test_exchanged_units_leave_a_label_in_every_split_that_has_it() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        labels = csr_array((rng.random((40, 6)) < [0.9, 0.5, 0.3, 0.1, 0.1, 0.1]).astype(np.int64))
        occurring = np.asarray(labels.sum(axis=0)) >= 3
        for unit_sizes in (ones(labels), rng.integers(1, 5, 40)):
            found = counts_of(labels, stratify(labels, unit_sizes, nothing(labels), SHARES, exclusive=False, seed=0))
            assert found[occurring].min() >= 1


def test_large_groups_come_to_an_end() -> None:
    """Rounding alone made an endless gain of exchanging equal units of thousands of images."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        num, num_labels = int(rng.integers(6, 40)), int(rng.integers(2, 6))
        sizes = rng.integers(5000, 50_000, num)
        labels = csr_array(rng.binomial(sizes[:, None], rng.uniform(0.05, 0.95, num_labels)))
        codes = stratify(labels, sizes, nothing(labels), SHARES, exclusive=False, seed=seed)
        found = counts_of(labels, codes)
        assert found.min() > 0 and found.sum() == labels.sum()
