"""How many copies of which images."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.augment.balancing import plan_copies, smallest_share

DEFAULTS: dict[str, Any] = {"target_share": 0.5, "max_per_image": 4, "max_copies": 2000, "exclusive": True, "seed": 0}


def truth_of(counts: list[int]) -> np.ndarray:
    return np.eye(len(counts), dtype=np.int64)[np.repeat(np.arange(len(counts)), counts)]


def after(truth: np.ndarray, copies: np.ndarray) -> list[int]:
    return np.repeat(truth, 1 + copies, axis=0).sum(axis=0).tolist()


@pytest.mark.parametrize(
    ("counts", "settings_", "expected"),
    [
        pytest.param([100, 60, 20], {}, [100, 60, 50], id="raised-to-half"),
        pytest.param([100, 5, 0], {}, [100, 25, 0], id="no-more-than-four-of-each"),
        pytest.param([100, 20, 10], {"max_copies": 25}, [100, 27, 27], id="rarest-first-where-copies-are-short"),
        pytest.param([100, 20], {"target_share": 1.0}, [100, 100], id="all-alike"),
        pytest.param([100, 20], {"target_share": 0.0}, [100, 20], id="off"),
        pytest.param([100, 20], {"max_copies": 0}, [100, 20], id="no-copies"),
    ],
)
def test_small_classes_are_raised_towards_the_target(counts: list[int], settings_: dict[str, Any], expected: list[int]) -> None:
    truth = truth_of(counts)
    assert after(truth, plan_copies(truth, **{**DEFAULTS, **settings_})) == expected


def test_images_of_a_class_are_copied_evenly() -> None:
    truth = truth_of([100, 20])
    copies = plan_copies(truth, **DEFAULTS)[100:]
    assert sorted(set(copies.tolist())) == [1, 2]
    assert copies.sum() == 30


def test_rare_label_is_raised_through_images_that_have_no_common_one() -> None:
    alone, together, common = [[0, 1]] * 10, [[1, 1]] * 10, [[1, 0]] * 90
    truth = np.array(alone + together + common)
    copies = plan_copies(truth, **{**DEFAULTS, "exclusive": False, "max_per_image": 3})
    assert copies[:10].sum() >= copies[10:20].sum()
    assert copies[20:].sum() == 0
    assert after(truth, copies) == [100 + copies[10:20].sum(), 50]


def test_rare_label_stops_where_each_of_its_images_was_copied_often_enough() -> None:
    truth = np.array([[0, 1, 0]] * 2 + [[0, 0, 1]] * 30 + [[1, 0, 0]] * 100)
    copies = plan_copies(truth, **{**DEFAULTS, "exclusive": False})
    assert copies[:2].tolist() == [4, 4]
    assert after(truth, copies) == [100, 10, 50]


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=60),
    exclusive=st.booleans(),
    max_per_image=st.integers(0, 5),
    max_copies=st.integers(0, 60),
    target=st.floats(0, 1),
)
def test_limits_hold(rows: list[list[bool]], exclusive: bool, max_per_image: int, max_copies: int, target: float) -> None:
    truth = np.array(rows, dtype=np.int64)
    if exclusive:
        truth = np.eye(4, dtype=np.int64)[truth.argmax(axis=1)]
    copies = plan_copies(truth, target_share=target, max_per_image=max_per_image, max_copies=max_copies, exclusive=exclusive, seed=1)
    assert copies.min() >= 0
    assert copies.max() <= max_per_image
    assert copies.sum() <= max_copies
    if exclusive:
        goal = np.ceil(target * truth.sum(axis=0).max())
        assert (np.array(after(truth, copies)) <= np.maximum(truth.sum(axis=0), goal)).all()


def test_smallest_share_is_over_labels_that_occur() -> None:
    assert smallest_share(truth_of([100, 0, 25])) == 0.25
    assert smallest_share(np.zeros((3, 2), dtype=np.int64)) == 1.0
