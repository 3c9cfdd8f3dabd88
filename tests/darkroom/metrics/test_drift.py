import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from darkroom.metrics.drift import _auc, _aucs, _folds, _gaussian, _mmds, drift, one_each


def draw(num: int, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, 8)) * scale + shift


def test_the_discrepancy_is_that_of_its_definition() -> None:
    vectors, labels = draw(9), np.array([0, 1, 1, 0, 0, 1, 0, 0, 1.0])
    kernel = _gaussian(vectors @ vectors.T)
    one, two = (np.flatnonzero(labels == side) for side in (0, 1))
    within = [np.mean([kernel[i, j] for i in side for j in side if i != j]) for side in (one, two)]
    assert _mmds(kernel, labels[:, None])[0] == pytest.approx(sum(within) - 2 * np.mean([kernel[i, j] for i in one for j in two]))


def test_the_classifier_is_ridge_regression_fitted_to_the_other_folds() -> None:
    from sklearn.linear_model import Ridge

    vectors = np.concatenate([draw(20), draw(15, 0.4, seed=1)])
    vectors -= vectors.mean(0)
    is_later = np.repeat([False, True], [20, 15])
    folds = _folds(is_later, np.random.default_rng(0))
    products = vectors @ vectors.T
    length = np.diag(products).mean()
    wide, expected = np.hstack([vectors, np.full((35, 1), np.sqrt(length))]), []
    for fold in range(5):
        model = Ridge(alpha=1e-2 * 2 * length, fit_intercept=False).fit(wide[folds != fold], 2.0 * is_later[folds != fold] - 1)
        expected.append(roc_auc_score(is_later[folds == fold], model.predict(wide[folds == fold])))
    assert _aucs(products, folds, is_later[:, None].astype(float))[0] == pytest.approx(np.mean(expected))


def test_equal_scores_count_half() -> None:
    scores, labels = np.array([1, 1, 2, 2.0]), np.array([0, 1, 0, 1.0])
    assert _auc(scores[:, None], labels[:, None])[0] == roc_auc_score(labels, scores) == 0.5


@pytest.mark.parametrize(("shift", "scale"), [(0.7, 1.0), (0.0, 2.0)], ids=["other mean", "other spread"])
def test_another_distribution_is_found(shift: float, scale: float) -> None:
    found = drift(draw(60), draw(40, shift, scale, seed=1), num_permutations=199)
    assert found.mmd.p_value == 1 / 200
    assert (found.num_earlier, found.num_later) == (60, 40)
    if shift:  # a plane can't tell spreads
        assert found.auc.p_value == 1 / 200 and found.auc.value > 0.8


def test_one_distribution_is_called_another_as_often_as_the_level_says() -> None:
    p_values = [
        (found.mmd.p_value, found.auc.p_value)
        for seed in range(100)
        for found in [drift(draw(30, seed=2 * seed), draw(12, seed=2 * seed + 1), num_permutations=39, seed=seed)]
    ]
    for of_test in np.array(p_values).T:
        assert (of_test <= 0.05).sum() <= 14  # 5 expected; more have a chance below 0.1 %
        assert 33 <= (of_test <= 0.5).sum() <= 67


def test_equal_vectors_are_no_drift() -> None:
    found = drift(np.ones((12, 4)), np.ones((12, 4)), num_permutations=19)
    assert (found.mmd.p_value, found.auc.value, found.auc.p_value) == (1.0, 0.5, 1.0)


def test_too_few_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="9 and 20 vectors"):
        drift(draw(9), draw(20))


def test_one_row_a_unit_is_drawn() -> None:
    units = np.array([0, 0, 1, 2, 2, 2, 3])
    drawn = one_each(units, 10)
    assert sorted(units[drawn]) == [0, 1, 2, 3]
    assert len(one_each(units, 2)) == 2
    assert {tuple(one_each(units, 2, seed)) for seed in range(9)} != {tuple(drawn[:2])}
