"""One copy of one image."""

import io

import numpy as np
import pytest
from PIL import Image

from components.augment.copies import copy, raise_probabilities, to_batch, to_picture
from darkroom import pixels
from darkroom.augmentation.policy import Operation, Policy
from darkroom.picture_info import read_info

FLIP = Policy(operations=(Operation(name="horizontal_flip", probability=1),))


def encoded(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_copy_of_a_small_image_is_exact() -> None:
    source = encoded(12, 9)
    data, size = copy(source, FLIP, 256, "seed")
    assert size == (12, 9)
    assert np.array_equal(np.asarray(pixels.decode(data)), np.asarray(pixels.decode(source))[:, ::-1])


def test_copy_keeps_its_proportions_and_its_limit() -> None:
    data, size = copy(encoded(200, 100), FLIP, 80, "seed")
    assert size == read_info(data).size == (80, 40)


def test_equal_seeds_make_equal_bytes() -> None:
    policy = Policy(
        operations=(Operation(name="rotation", probability=1, low=-30, high=30), Operation(name="noise", probability=1, low=0.1, high=0.1))
    )
    first, again, other = (copy(encoded(90, 70), policy, 256, seed)[0] for seed in ("a", "a", "b"))
    assert first == again != other


def test_copies_draw_more_often_but_mirror_as_often() -> None:
    policy = Policy(
        operations=(
            Operation(name="horizontal_flip", probability=0.5),
            Operation(name="noise", probability=0.25),
            Operation(name="hue", probability=0.75),
        )
    )
    assert [operation.probability for operation in raise_probabilities(policy).operations] == [0.5, 0.5, 1.0]


def test_broken_source_is_said() -> None:
    with pytest.raises(pixels.UnreadableError):
        copy(b"no image", FLIP, 256, "seed")


def test_picture_survives_the_way_to_a_batch_and_back() -> None:
    picture = pixels.decode(encoded(5, 7))
    assert np.array_equal(np.asarray(to_picture(to_batch(picture))), np.asarray(picture))
