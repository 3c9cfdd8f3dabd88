"""The paired tests, against closed forms, brute force and simulation."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom

from darkroom.metrics.intervals import resamples
from darkroom.metrics.measures import Floats, Ints, count, scores
from darkroom.metrics.paired_tests import bootstrap_test, mcnemar, mcnemar_loss, share_interval


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (0, 1), (5, 5), (3, 9), (12, 2), (200, 160)])
def test_mcnemar_is_the_binomial_distribution_of_the_images_that_differ(won: int, lost: int) -> None:
    total = won + lost
    assert mcnemar(won, lost) == pytest.approx(min(1.0, 2 * binom.cdf(min(won, lost), total, 0.5)))
    assert mcnemar_loss(won, lost) == pytest.approx(binom.sf(lost - 1, total, 0.5))


@pytest.mark.parametrize(("won", "lost"), [(3, 1), (2, 5), (0, 6), (4, 4)])
def test_mcnemar_is_what_swapping_all_pairs_gives(won: int, lost: int) -> None:
    seen = abs(won - lost)
    swaps = [abs(sum(signs)) >= seen for signs in itertools.product((-1, 1), repeat=won + lost)]
    assert mcnemar(won, lost) == pytest.approx(np.mean(swaps))


def test_two_models_that_never_differ_may_still_differ_by_what_wilson_leaves_open() -> None:
    z = 1.959963984540054
    assert share_interval(0, 0, 50, 50) == pytest.approx((-(z**2) / (50 + z**2), z**2 / (50 + z**2)))


@pytest.mark.parametrize(("won", "lost", "both", "num_images"), [(12, 2, 20, 50), (0, 7, 90, 100), (3, 3, 0, 6), (1, 0, 0, 1)])
def test_the_interval_the_other_way_round_has_the_other_sign(won: int, lost: int, both: int, num_images: int) -> None:
    low, high = share_interval(won, lost, both, num_images)
    assert share_interval(lost, won, both, num_images) == pytest.approx((-high, -low))
    assert -1 <= low <= (won - lost) / num_images <= high <= 1


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    for num_images, cells in ((40, (0.8, 0.12, 0.03, 0.05)), (200, (0.9, 0.02, 0.02, 0.06))):
        drawn = rng.multinomial(num_images, cells, 2000)
        limits = {tuple(row): share_interval(row[1], row[2], row[0], num_images) for row in drawn.tolist()}
        gain = cells[1] - cells[2]
        held = np.mean([limits[tuple(row)][0] <= gain <= limits[tuple(row)][1] for row in drawn.tolist()])
        assert 0.93 <= held <= 0.99


def f1_gains(y_true: Ints, challenger: Ints, champion: Ints, unit: Ints, seed: int, num_resamples: int = 400) -> Floats:
    parts = []
    for weights in resamples(unit, num_resamples, seed):
        first, second = (scores(count(y_true, answers, 4, weights), "multiclass")["f1_macro"] for answers in (challenger, champion))
        parts.append(first - second)
    return np.concatenate(parts)


def test_units_are_drawn_whole_and_as_often_as_there_are() -> None:
    unit = np.array([0, 1, 1, 2, 2, 2, 0])
    weights = np.concatenate(list(resamples(unit, 500, 3)))
    assert weights.shape == (500, 7)
    assert np.array_equal(weights[:, 0], weights[:, 6])
    assert np.array_equal(weights[:, 3], weights[:, 5])
    assert set((weights[:, 0] + weights[:, 1] + weights[:, 3]).tolist()) == {3.0}
    assert np.array_equal(weights, np.concatenate(list(resamples(unit, 500, 3))))
    assert not np.array_equal(weights, np.concatenate(list(resamples(unit, 500, 4))))


def two_equal_models(rng: np.random.Generator, num_units: int, size: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Truth, answers of two models of the same quality, and units; within a unit both models are right or wrong together."""
    unit = np.repeat(np.arange(num_units), size)
    y_true = np.arange(num_units * size) % 4
    hard = rng.random(num_units) < 0.5

    def answers() -> Ints:
        right = (rng.random(num_units) < np.where(hard, 0.7, 0.95))[unit]
        return np.where(right, y_true, (y_true + 1 + rng.integers(0, 3, len(y_true))) % 4)

    return y_true, answers(), answers(), unit


@pytest.mark.parametrize("size", [1, 4])
def test_two_equal_models_are_told_apart_no_more_often_than_said(size: int) -> None:
    rng = np.random.default_rng(1)
    values, careless = [], []
    for seed in range(200):
        y_true, challenger, champion, unit = two_equal_models(rng, 60, size)
        values.append(bootstrap_test(f1_gains(y_true, challenger, champion, unit, seed, 200))[2])
        careless.append(bootstrap_test(f1_gains(y_true, challenger, champion, np.arange(len(unit)), seed, 200))[2])
    assert np.mean(np.array(values) < 0.05) < 0.09  # 0.05 is meant; 200 trials scatter by 0.015
    assert 0.4 < np.mean(np.array(values) < 0.5) < 0.6
    if size > 1:
        assert np.mean(np.array(careless) < 0.05) > 0.2  # images of one patient are not independent


@pytest.mark.slow
def test_the_bootstrap_agrees_with_swapping_the_answers_of_whole_units() -> None:
    rng = np.random.default_rng(5)
    y_true, challenger, champion, unit = two_equal_models(rng, 80, 3)
    spoilt = [np.where(np.isin(unit, np.arange(number)), (y_true + 1) % 4, champion) for number in (4, 8, 12, 16)]
    for worse in spoilt:
        low, high, p_value = bootstrap_test(f1_gains(y_true, challenger, worse, unit, 0, 2000))
        swap = (rng.integers(0, 2, (2000, 80)) == 1)[:, unit]
        seen = _f1(y_true, challenger) - _f1(y_true, worse)
        swapped = [_f1(y_true, np.where(row, worse, challenger)) - _f1(y_true, np.where(row, challenger, worse)) for row in swap]
        expected = float(np.mean(np.abs(swapped) >= abs(seen) - 1e-12))
        assert p_value == pytest.approx(expected, abs=0.02 + 0.2 * expected)  # F1 is no mean: the two agree where it matters
        assert low < seen < high


def _f1(y_true: Ints, y_pred: Ints) -> float:
    return float(scores(count(y_true, y_pred, 4), "multiclass")["f1_macro"])


def test_a_p_value_is_small_where_the_interval_leaves_out_0() -> None:
    gains = np.random.default_rng(0).normal(0.1, 0.05, 4000)
    low, high, p_value = bootstrap_test(gains)
    assert (low, high) == pytest.approx((0.1 - 1.96 * 0.05, 0.1 + 1.96 * 0.05), abs=0.01)
    assert p_value == pytest.approx(0.0455, abs=0.01)
    assert bootstrap_test(-gains)[2] == p_value
    assert bootstrap_test(np.zeros(100)) == (0.0, 0.0, 1.0)
