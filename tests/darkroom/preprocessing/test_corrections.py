"""Each correction, on files that were really encoded: what it does, what it leaves alone, and that its bytes are always the same."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from darkroom.pixels import pixels
from darkroom.preprocessing.corrections import NONE, Corrections, corrected
from darkroom.preprocessing.recipe import Recipe
from tests.photographs import jpeg, photograph, png

EACH = [
    {"denoise": "median"}, {"denoise": "bilateral"}, {"denoise": "non_local_means"}, {"colour": "grey_world"}, {"brightness": 0.6},
    {"contrast": "clahe"}, {"contrast": "equalise"}, {"background": "grabcut"},
]  # fmt: skip
ALL = Corrections(denoise="non_local_means", colour="grey_world", brightness=0.5, contrast="clahe", background="grabcut")


def of_file(file: bytes, side_px: int = 64, **wanted: object) -> np.ndarray:
    return pixels(file, Recipe(side_px, corrections=Corrections(**wanted))).astype(int)


def noisy(level: float = 12.0) -> tuple[np.ndarray, bytes]:
    """Two flat halves, and a PNG of them with noise."""
    clean = np.full((64, 64, 3), 60, np.uint8)
    clean[:, 32:] = 180
    noise = np.random.default_rng(0).normal(0, level, clean.shape)
    return clean.astype(int), png(np.clip(clean + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("method", ["median", "bilateral", "non_local_means"])
def test_noise_is_reduced_and_the_edge_stays(method):
    clean, file = noisy()
    before, after = (np.abs(of_file(file, denoise=one, noise_level=20.0) - clean) for one in ("none", method))
    assert after.mean() < 0.6 * before.mean()
    assert np.ptp(of_file(file, denoise=method, noise_level=20.0)[:, 30:34].mean(axis=(0, 2))) > 100


def test_the_median_is_that_of_nine_pixels():
    picture = np.asarray(photograph(3, 16, 16))
    found = of_file(png(picture), 16, denoise="median")
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3), axis=(0, 1))
    np.testing.assert_array_equal(found[1:-1, 1:-1], np.median(windows, axis=(-2, -1)))


def test_grey_world_brings_the_channels_to_their_common_mean():
    tinted = np.clip(np.asarray(photograph(1)) * [0.9, 0.7, 0.5], 0, 255).astype(np.uint8)
    before, after = (of_file(png(tinted), colour=one).mean(axis=(0, 1)) for one in ("none", "grey_world"))
    assert np.ptp(before) > 30
    np.testing.assert_allclose(after, before.mean(), atol=1.5)


def test_a_picture_of_one_colour_does_not_become_noise():
    red = np.full((16, 16, 3), (200, 2, 0), np.uint8)
    assert of_file(png(red), 16, colour="grey_world").max(axis=(0, 1)).tolist() == [67, 8, 0]


@pytest.mark.parametrize("wanted", [0.3, 0.6])
def test_gamma_brings_the_mean_about_to_the_brightness_that_is_wanted(wanted):
    found = of_file(png(np.asarray(photograph(2))), brightness=wanted)
    assert found.mean() / 255 == pytest.approx(wanted, abs=0.04)


def test_an_equalised_histogram_is_about_flat():
    flat = (100 + np.asarray(photograph(4).convert("L")) // 8).astype(np.uint8)
    found = of_file(png(np.repeat(flat[..., None], 3, axis=2)), contrast="equalise")[..., 0]
    assert np.quantile(found, [0.25, 0.5, 0.75]) == pytest.approx([64, 128, 191], abs=20)


def test_clahe_gives_dark_and_bright_parts_more_contrast_within_its_limit():
    weak = np.asarray(photograph(5, 128, 128).convert("L"), np.float64) / 8
    weak[:, 64:] += 200
    file = png(np.repeat(weak.astype(np.uint8)[..., None], 3, axis=2))
    spreads = [[half.std() for half in np.hsplit(of_file(file, 128, **wanted)[..., 0][:, 16:-16], 2)] for wanted in (
        {}, {"contrast": "clahe"}, {"contrast": "clahe", "clahe_limit": 4.0}, {"contrast": "equalise"})]  # fmt: skip
    assert all(first < second < third for first, second, third, _ in zip(*spreads, strict=True))


def test_clahe_is_opencvs_on_the_brightness():
    picture = np.asarray(photograph(6, 64, 64).convert("L").convert("RGB"))
    expected = cv2.createCLAHE(3.0, (4, 4)).apply(picture[..., 0])
    np.testing.assert_array_equal(of_file(png(picture), contrast="clahe", clahe_limit=3.0, clahe_tiles=4)[..., 1], expected)


def shape_on_ground() -> tuple[np.ndarray, bytes]:
    """Which pixels a disc has, and a JPEG of it on a structured ground."""
    picture = Image.fromarray((np.asarray(photograph(7, 64, 64)) // 4 + 20).astype(np.uint8))
    mask = Image.new("1", (64, 64))
    ImageDraw.Draw(mask).ellipse((16, 16, 48, 48), fill=1)
    picture.paste((220, 180, 40), mask=mask)
    return np.asarray(mask), jpeg(picture, 95)


def test_grabcut_keeps_what_is_in_front_and_fills_the_rest():
    disc, file = shape_on_ground()
    found = pixels(file, Recipe(64, fill=255, corrections=Corrections(background="grabcut")))
    kept = (found != 255).any(axis=2)
    assert (kept & disc).sum() / (kept | disc).sum() > 0.95
    np.testing.assert_array_equal(found[kept], pixels(file, Recipe(64))[kept])


@pytest.mark.parametrize("wanted", EACH)
def test_a_grey_picture_stays_grey(wanted):
    found = of_file(png(np.repeat(np.asarray(photograph(8).convert("L"))[..., None], 3, axis=2)), **wanted)
    assert np.ptp(found, axis=2).max() == 0


@pytest.mark.parametrize("wanted", [*EACH, vars(ALL)])
@pytest.mark.parametrize("picture", [np.zeros((8, 8, 3)), np.full((8, 8, 3), 255), np.zeros((1, 40, 3)), np.full((3, 2, 3), 7)])
def test_black_white_and_tiny_pictures_are_corrected_without_an_error(wanted, picture):
    found = corrected(picture.astype(np.uint8), Corrections(**wanted))
    assert found.shape == picture.shape and found.dtype == np.uint8


def test_without_corrections_the_picture_itself_is_given():
    picture = np.asarray(photograph(9))
    assert corrected(picture, NONE) is picture
    assert NONE.names == ()


@pytest.mark.parametrize("wanted", [*EACH, vars(ALL)])
def test_the_given_picture_is_left_as_it_is(wanted):
    picture = pixels(shape_on_ground()[1], Recipe(48)).copy()
    before = picture.copy()
    assert not np.array_equal(corrected(picture, Corrections(**wanted)), before)
    np.testing.assert_array_equal(picture, before)


def test_bytes_are_equal_on_all_threads_after_other_pictures_and_in_another_process():
    files = [jpeg(photograph(seed)) for seed in range(6)]
    recipe = Recipe(64, corrections=ALL)
    expected = [pixels(file, recipe).tobytes() for file in files]
    cv2.setRNGSeed(99)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda file: pixels(file, recipe).tobytes(), reversed(files)))
    assert found[::-1] == expected
    code = (
        "import sys\nfrom darkroom.pixels import pixels\nfrom darkroom.preprocessing.recipe import Recipe\n"
        "from tests.photographs import jpeg, photograph\n"
        f"from darkroom.preprocessing.corrections import Corrections\nrecipe = {recipe!r}\n"
        "sys.stdout.buffer.write(pixels(jpeg(photograph(5)), recipe).tobytes())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == expected[5]


def test_corrections_are_made_in_their_order_and_may_be_cut_short():
    assert ALL.names == ("denoise", "colour", "brightness", "contrast", "background")
    assert ALL.up_to(2).names == ("denoise", "colour")
    step = corrected(np.asarray(photograph(1)), ALL.up_to(1))
    rest = Corrections(**{**vars(ALL), "denoise": "none"})
    np.testing.assert_array_equal(corrected(step, rest), corrected(np.asarray(photograph(1)), ALL))


def test_an_unknown_correction_is_refused():
    with pytest.raises(ValueError, match="denoise is 'magic': it must be one of none, median, bilateral, non_local_means"):
        Corrections(denoise="magic")  # type: ignore[arg-type]
