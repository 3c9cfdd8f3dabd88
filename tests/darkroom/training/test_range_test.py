"""The rate that a range test finds, from losses of a known course."""

import pytest

from darkroom.training.range_test import best_rate


@pytest.mark.parametrize(
    ("losses", "rate"),
    [([abs(number - 30) for number in range(60)], 0.1), ([1.0] * 60, 7.0), (list(range(60)), 7.0), ([], 7.0)],
    ids=["a tenth of the least", "level", "only rising", "no finite loss"],
)
def test_the_rate_is_a_tenth_of_that_of_the_least_loss_or_else_the_usual_one(losses, rate):
    assert best_rate([10 ** (number / 30 - 1) for number in range(60)], losses, 7.0) == pytest.approx(rate)
