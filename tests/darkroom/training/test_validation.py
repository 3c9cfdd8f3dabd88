import pytest

from darkroom.training.validation import kept_epoch


@pytest.mark.parametrize(
    ("scores", "num_images", "kept"),
    [
        pytest.param([0.5, 0.9, 0.88, 0.7], 100, 3, id="0.88 is within 0.03 of 0.9, and 0.7 is not"),
        pytest.param([0.5, 0.9, 0.88, 0.7], 1000, 2, id="with more images 0.88 is worse than 0.9"),
        pytest.param([0.5, 0.9, 0.88, 0.7], 5, 3, id="five images can't tell 0.88 from 0.9"),
        pytest.param([0.2, 1.0, 1.0, 0.99], 100, 3, id="nothing below 1.0 is within an error of 0"),
        pytest.param([-0.9, -0.3, -0.31], 100, 2, id="a loss is taken at its word"),
        pytest.param([0.0, 0.0, 0.0], 0, 3, id="without images the last"),
    ],
)
def test_the_last_epoch_within_a_standard_error_of_the_best_is_kept(scores, num_images, kept):
    assert kept_epoch(scores, num_images) == kept
