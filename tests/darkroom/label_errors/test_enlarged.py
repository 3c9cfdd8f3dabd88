"""Vectors of small pictures: each is its own picture's alone, in the order that was asked for."""

from pathlib import Path

import numpy as np
import pytest

from darkroom.images import Images, ImageWriter, image_id
from darkroom.label_errors.enlarged import enlarged_vectors
from tests.photographs import jpeg, photograph


@pytest.mark.slow
def test_a_vector_depends_on_its_picture_alone_and_copies_lie_nearer_than_others(tmp_path: Path) -> None:
    small = [photograph(number % 9).resize((32 + number // 9, 32)) for number in range(10)]  # the last one is the first one, wider
    data = [jpeg(picture) for picture in small]
    with ImageWriter(tmp_path) as writer:
        for one in data:
            writer.add(one)
    names = [image_id(one) for one in data]
    found = enlarged_vectors(Images(tmp_path), names, "lite0", 64)
    assert found.shape == (10, 1280)
    np.testing.assert_allclose(np.linalg.norm(found.astype(np.float64), axis=1), 1, atol=2e-3)
    some = [9, 2]
    np.testing.assert_array_equal(enlarged_vectors(Images(tmp_path), [names[row] for row in some], "lite0", 64), found[some])
    likeness = found.astype(np.float64) @ found[9].astype(np.float64)
    assert likeness[:9].argmax() == 0
    assert enlarged_vectors(Images(tmp_path), [], "lite0", 64).shape == (0, 1280)
