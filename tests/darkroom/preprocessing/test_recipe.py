"""The recipe: stretched, padded and cropped pictures, and how a recipe is kept in files."""

import json

import numpy as np
import pytest
from PIL import Image

from darkroom.pixels import pixels
from darkroom.preprocessing.corrections import Corrections
from darkroom.preprocessing.recipe import Recipe
from tests.photographs import jpeg, png

WIDE = np.zeros((20, 40, 3), np.uint8)
WIDE[:, :10], WIDE[:, 10:30], WIDE[:, 30:] = 50, 100, 150


def test_a_wide_picture_is_stretched_padded_and_cropped():
    stretched, padded, cropped = (
        pixels(png(WIDE), one)[..., 0] for one in (Recipe(8), Recipe(8, pad=True, fill=9), Recipe(8, center_crop=1.0))
    )
    assert stretched[0].tolist() == pytest.approx([50, 50, 100, 100, 100, 100, 150, 150], abs=7) and (stretched == stretched[0]).all()
    assert (padded[:2] == 9).all() and (padded[6:] == 9).all() and (padded[2:6] == stretched[0]).all()
    assert (np.abs(cropped.astype(int) - 100) < 8).all()


@pytest.mark.parametrize(("width", "height"), [(40, 20), (20, 40), (7, 5), (1, 300), (33, 33)])
def test_a_padded_picture_keeps_its_shape_and_touches_two_sides(width, height):
    found = pixels(png(np.full((height, width, 3), 200, np.uint8)), Recipe(16, pad=True))
    rows, columns = (np.flatnonzero((found[..., 0] == 200).any(axis=axis)) for axis in (1, 0))
    assert max(len(rows), len(columns)) == 16
    assert len(columns) / len(rows) == pytest.approx(width / height, rel=0.15) or 1 in (len(rows), len(columns))


def test_what_is_beside_a_padded_picture_is_not_corrected():
    recipe = Recipe(16, pad=True, fill=77, corrections=Corrections(brightness=0.9, contrast="equalise", colour="grey_world"))
    assert (pixels(png(WIDE), recipe)[:4] == 77).all()


def test_a_large_jpeg_is_decoded_small_and_corrected_like_the_whole():
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(60, 200, (6, 8, 3), dtype=np.uint8)).resize((1600, 1200), Image.Resampling.BICUBIC)
    recipe = Recipe(32, corrections=Corrections(colour="grey_world", contrast="clahe"))
    large, small = (pixels(jpeg(one, 95), recipe).astype(int) for one in (coarse, coarse.resize((160, 120), Image.Resampling.BOX)))
    assert np.abs(large - small).mean() < 5 < 15 < np.abs(large - pixels(jpeg(coarse, 95), Recipe(32))).mean()


def test_padding_and_cropping_exclude_each_other():
    with pytest.raises(ValueError, match=r"pad is true, and center_crop 0\.5: one of them must be off"):
        Recipe(8, center_crop=0.5, pad=True)


def test_a_recipe_comes_back_from_json_and_says_no_more_than_before_where_nothing_is_new():
    assert Recipe(224, "bicubic", 0.875).plain() == {"side_px": 224, "resampling": "bicubic", "center_crop": 0.875}
    for one in (Recipe(8), Recipe(8, pad=True, fill=3), Recipe(8, corrections=Corrections(denoise="median", noise_level=3.0))):
        assert Recipe.of(json.loads(json.dumps(one.plain()))) == one
