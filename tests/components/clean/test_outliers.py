"""What stands out of its class: by the class's own distribution, with a floor, and never a large part of a class."""

import numpy as np
import pytest

from components.clean.outliers import from_threshold, outliers, rows_of_classes

RNG = np.random.default_rng(0)
NIGHT, DAY = RNG.normal(5, 0.3, 100), RNG.normal(1, 0.3, 100)
LABELS = [frozenset(["night"])] * 100 + [frozenset(["day"])] * 100


def found(scores: np.ndarray, floor: float = 2.0, max_share: float = 0.1) -> list[int]:
    return outliers(scores, rows_of_classes(LABELS), 4.0, floor, max_share).rows.tolist()


def test_a_class_that_is_like_that_is_not_odd_and_one_image_in_another_class_is() -> None:
    scores = np.concatenate([NIGHT, DAY])
    assert found(scores) == []
    scores[150] = 5.0
    assert found(scores) == [150]
    scores[50] = 9.0
    assert found(scores) == [50, 150]


def test_what_is_below_the_floor_is_never_odd() -> None:
    scores = np.concatenate([NIGHT, DAY / 100])
    scores[150] = 1.9
    assert found(scores) == []
    assert found(scores, floor=1.8) == [150]


@pytest.mark.parametrize(("number", "odd"), [(1, 1), (10, 10), (11, 0), (40, 0), (100, 0)])
def test_what_many_of_a_class_are_is_how_the_class_is(number: int, odd: int) -> None:
    scores = np.concatenate([NIGHT, DAY])
    scores[100 : 100 + number] = np.linspace(6, 7, number)
    seen = outliers(scores, rows_of_classes(LABELS), 4.0, 2.0, 0.1)
    assert len(seen.rows) == odd
    assert seen.common == ({"day": number} if number == 11 else {})


def test_a_small_class_has_the_distribution_of_all_and_missing_scores_are_left_out() -> None:
    labels = [frozenset(["a"])] * 60 + [frozenset(["b"])] * 3
    scores = np.concatenate([RNG.normal(1, 0.3, 60), [9.0, 1.0, np.nan]])
    seen = outliers(scores, rows_of_classes(labels), 4.0, 2.0, 0.1)
    assert seen.rows.tolist() == [60]
    assert len(outliers(np.full(3, np.nan), rows_of_classes([frozenset("a")] * 3), 4.0, 0.0, 0.1).rows) == 0


def test_with_several_labels_an_image_must_stand_out_of_each_of_its_classes() -> None:
    labels = [*LABELS, frozenset(["day", "night"]), frozenset[str]()]
    scores = np.concatenate([NIGHT, DAY, [5.0, 50.0]])
    assert outliers(scores, rows_of_classes(labels), 4.0, 2.0, 0.1).rows.tolist() == [201]


@pytest.mark.parametrize("name", ["a", "z"])
def test_what_a_class_is_called_changes_nothing_where_an_image_has_several(name: str) -> None:
    labels = [frozenset(["m"])] * 101 + [frozenset(["m", name])] * 2 + [frozenset([name])] * 48
    scores = np.concatenate([RNG.normal(1, 0.3, 100), [9.0] * 3, np.full(48, 1.0)])
    seen = outliers(scores, rows_of_classes(labels), 4.0, 2.0, 0.02)
    assert (seen.rows.tolist(), seen.common) == ([], {"m": 3, name: 2})


def test_a_threshold_that_is_set_counts_alone() -> None:
    scores = np.array([3.0] * 30 + [2.0] * 5 + [0.0] * 5 + [np.nan])
    assert from_threshold(scores, 2.0).rows.tolist() == list(range(35))
