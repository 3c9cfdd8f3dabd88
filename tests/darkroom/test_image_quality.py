"""How dark, bright, blurred, empty and grey a picture is: known values, and what changes a measure and what does not."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from darkroom.image_quality import MAX_LONG_PX, MEASURES, draft, measure
from tests.photographs import photograph


def measured(*pictures: Image.Image) -> list[dict[str, float]]:
    return [dict(zip(MEASURES, row, strict=True)) for row in measure([draft(picture) for picture in pictures]).tolist()]


def even(value: int, side: int = 40) -> Image.Image:
    return Image.new("RGB", (side, side), (value, value, value))


def test_even_areas_have_known_values() -> None:
    black, grey, white = measured(even(0), even(63), even(255))
    assert (black["dark"], grey["dark"], white["dark"]) == (8, 2, 0)
    assert (black["bright"], white["bright"]) == (0, 8)
    assert [one["low_information"] for one in (black, grey, white)] == [8, 8, 8]
    assert [one["grey"] for one in (black, grey, white)] == [8, 8, 8]
    assert np.isnan([one["blurred"] for one in (black, grey, white)]).all()


def test_the_entropy_and_the_quantiles_are_those_of_numpy() -> None:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 200, (60, 90, 3), dtype=np.uint8))
    (found,) = measured(picture)
    pixels = np.asarray(picture).astype(int)
    grey = (pixels @ [77, 150, 29]) >> 8
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    assert found["low_information"] == pytest.approx(8 + (shares[shares > 0] * np.log2(shares[shares > 0])).sum(), abs=1e-4)
    for check, share, values in (("dark", 0.95, grey), ("grey", 0.99, np.ptp(pixels, axis=2))):
        assert found[check] == pytest.approx(8 - np.log2(np.quantile(values, share, method="inverted_cdf") + 1), abs=1e-4)
    assert found["bright"] == pytest.approx(8 - np.log2(256 - np.quantile(grey, 0.1, method="inverted_cdf")), abs=1e-4)


def test_the_width_of_an_edge_is_that_of_a_ramp() -> None:
    ramp = np.clip((np.arange(96) % 16 - 4) * 32, 0, 160).astype(np.uint8)  # from 0 to 160 in five steps, in each block
    picture = Image.fromarray(np.repeat(np.repeat(ramp[None, :, None], 96, 0), 3, 2))
    assert measured(picture)[0]["blurred"] == pytest.approx(5)


@pytest.mark.parametrize(
    ("check", "change", "least"),
    [
        ("dark", lambda picture: ImageEnhance.Brightness(picture).enhance(0.15), 2.0),
        ("bright", lambda picture: ImageEnhance.Brightness(picture).enhance(4), 1.5),
        ("blurred", lambda picture: picture.filter(ImageFilter.GaussianBlur(5)), 2.0),
        ("low_information", lambda picture: Image.blend(picture, even(120).resize(picture.size), 0.98), 3.0),
        ("grey", lambda picture: picture.convert("L").convert("RGB"), 5.0),
    ],
)
def test_what_is_spoilt_is_worse_and_nothing_else_is_as_bad(check: str, change: object, least: float) -> None:
    before, after = measured(photograph(1, 240, 192), change(photograph(1, 240, 192)))  # type: ignore[operator]
    assert after[check] > before[check] + least


def test_sizes_may_differ_and_do_not_matter() -> None:
    large = photograph(2, 480, 384).resize((1920, 1536))
    pictures = [large, photograph(3), large.resize((960, 768)), photograph(3).crop((0, 0, 9, 3)), photograph(3)]
    found = measure([draft(picture) for picture in pictures])
    np.testing.assert_allclose(found[0], found[2], atol=0.15)
    np.testing.assert_array_equal(found[1], found[4])
    assert np.isnan(found[3]).tolist() == [False, False, True, False, False]
    assert max(draft(Image.new("RGB", (9000, 40))).shape) == MAX_LONG_PX
    assert measure([]).shape == (0, 5)
