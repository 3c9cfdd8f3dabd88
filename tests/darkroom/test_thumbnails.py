"""Thumbnails, and signatures that mirroring and quarter turns do not change."""

import io

import numpy as np
import pytest
from PIL import Image

from darkroom.thumbnails import signature, thumbnails


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Soft blobs of colour, with some noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(small, int) + rng.integers(-9, 10, (height, width, 3)), 0, 255).astype(np.uint8))


def num_different(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@pytest.mark.parametrize("sides", [(64, 64), (400, 533), (201, 97), (20, 31)], ids=str)
def test_mirroring_and_turning_turn_the_thumbnail_and_leave_the_signature(sides: tuple[int, int]) -> None:
    seen = thumbnails(picture(*sides))
    assert (seen.grey.shape, seen.colours.shape, seen.grey.dtype, seen.colours.dtype) == ((32, 32), (8, 8, 3), np.uint8, np.uint8)
    for way in Image.Transpose:
        turned = thumbnails(picture(*sides).transpose(way))
        assert (turned.grey == np.asarray(Image.fromarray(seen.grey).transpose(way))).all()
        assert turned.signature == seen.signature


def test_copies_are_near_and_others_are_far() -> None:
    pictures = [picture(300, 200, seed) for seed in range(20)]
    signatures = [thumbnails(one).signature for one in pictures]
    file = io.BytesIO()
    pictures[0].resize((150, 100)).save(file, "JPEG", quality=50)
    assert num_different(thumbnails(Image.open(file)).signature, signatures[0]) <= 6
    distances = [num_different(one, other) for place, one in enumerate(signatures) for other in signatures[:place]]
    assert min(distances) > 6
    assert all(0 <= one < 2**64 for one in signatures)


def test_exact_values() -> None:
    seen = thumbnails(Image.fromarray(np.full((128, 64, 3), (10, 20, 30), np.uint8)))
    assert (seen.grey == 18).all()  # 0.299 R + 0.587 G + 0.114 B
    assert (seen.colours == (10, 20, 30)).all()
    assert seen.signature == 0  # a flat picture has no frequencies
    ramp = np.repeat(np.arange(32, dtype=np.uint8)[:, None] * 8, 32, axis=1)
    assert signature(ramp) == signature(ramp.T.copy()) == signature(ramp[::-1].copy())
