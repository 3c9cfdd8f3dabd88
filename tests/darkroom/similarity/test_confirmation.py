"""Confirmation on the pixels: copies of any kind correlate, different pictures do not."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from darkroom.similarity.confirmation import Pictures, confirm
from darkroom.similarity.exposure import BURNT
from darkroom.similarity.orientations import oriented, prepared, shifted_correlation
from darkroom.similarity.registration import COARSE, FINE, moved, register
from darkroom.thumbnails import thumbnails
from darkroom.units import Integers
from tests.photographs import photograph


def marked(picture: Image.Image) -> Image.Image:
    ImageDraw.Draw(picture).rectangle((90, 80, 116, 92), fill=(250, 250, 0))
    return picture


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": lambda picture: picture.crop((6, 2, 114, 90)),
    "turned": lambda picture: picture.rotate(5),
    "shifted": lambda picture: picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, 6, 0, 1, -5)),
    "a quarter turn": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
    "flipped": ImageOps.flip,
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.5),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.4),
    "less contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.5),
    "smaller": lambda picture: picture.resize((70, 56)),
    "with a logo": marked,
}


def confirmed(*pictures: Image.Image, min_correlation: float = -1.0, min_close_up: float = 0.5) -> list[float]:
    """Correlations of the first picture with each of the others; of pairs that are sorted out, none."""
    pairs = np.array([[0, other] for other in range(1, len(pictures))])
    return confirm(pairs, thumbnails_of(pictures), shown(pictures), min_correlation, 0.05, min_close_up).correlations.tolist()


def thumbnails_of(pictures: Sequence[Image.Image]) -> npt.NDArray[np.uint8]:
    return np.stack([thumbnails(picture).grey for picture in pictures])


def shown(pictures: Sequence[Image.Image]) -> Pictures:
    def of(rows: Integers, side_px: int) -> npt.NDArray[np.uint8]:
        return np.array([np.asarray(pictures[row].convert("L").resize((side_px, side_px))) for row in rows], np.uint8)

    return of


def overexposed(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(2.4)


def test_a_picture_that_is_burnt_out_shows_the_same_as_a_darker_one() -> None:
    for number in (2, 4, 6):
        dark, light = ImageEnhance.Brightness(photograph(number)).enhance(0.45), overexposed(photograph(number))
        assert (thumbnails(light).grey >= BURNT).mean() > 0.2
        assert confirmed(dark, light, min_correlation=0.75)


def test_other_pictures_that_are_burnt_out_are_not_confirmed() -> None:
    others = [overexposed(photograph(number)) for number in range(2, 30)]
    assert confirmed(photograph(1), *others, min_correlation=0.75) == []


def test_a_white_frame_is_no_exposure() -> None:
    assert min(confirmed(photograph(1), ImageOps.expand(photograph(1), 5, (255, 255, 255)))) > 0.85


def test_copies_are_confirmed() -> None:
    found = confirmed(photograph(1), *(make(photograph(1)) for make in COPIES.values()))
    assert len(found) == len(COPIES)
    assert {name: value for name, value in zip(COPIES, found, strict=True) if value < 0.85} == {}


def test_it_does_not_matter_which_picture_is_the_first() -> None:
    pictures = [photograph(1), *(make(photograph(1)) for make in COPIES.values())]
    pairs = np.array([[0, other] for other in range(1, len(pictures))])
    found = [confirm(one, thumbnails_of(pictures), shown(pictures), 0.5, 0.05).correlations for one in (pairs, pairs[:, ::-1])]
    np.testing.assert_allclose(*found, atol=0.02)


def test_different_pictures_are_not_though_their_outlines_agree() -> None:
    shapes = [Image.composite(photograph(seed), Image.new("RGB", (120, 96), "white"), outline()) for seed in range(1, 5)]
    assert confirmed(*shapes, min_correlation=0.5) == []
    assert confirmed(*(photograph(seed) for seed in range(1, 9)), min_correlation=0.3) == []


def test_even_things_of_one_outline_are_told_apart_close_up() -> None:
    things = [garment(seed) for seed in range(1, 5)]
    assert min(confirmed(*things, min_close_up=-1.0), default=0.0) > 0.75  # by their outlines they are the same
    assert confirmed(*things, min_correlation=0.75) == []
    again = ImageEnhance.Brightness(things[0].crop((3, 2, 237, 190))).enhance(0.6)
    assert confirmed(things[0], again, min_correlation=0.75) != []


def garment(seed: int) -> Image.Image:
    """A thing of one colour on an even ground, both with a texture of their own."""
    rng = np.random.default_rng(seed)
    mask = Image.new("L", (240, 192), 0)
    ImageDraw.Draw(mask).ellipse((50, 20, 190, 172), fill=255)
    even = np.where(np.asarray(mask) > 0, rng.integers(40, 120), 215)
    texture = np.asarray(Image.fromarray(rng.normal(0, 9, (96, 120)).astype(np.float32)).resize(mask.size, Image.Resampling.BICUBIC))
    return Image.fromarray((even + texture).clip(0, 255).astype(np.uint8)).convert("RGB")


def outline() -> Image.Image:
    mask = Image.new("L", (120, 96), 0)
    ImageDraw.Draw(mask).polygon([(40, 10), (80, 10), (110, 40), (85, 45), (85, 90), (35, 90), (35, 45), (10, 40)], fill=255)
    return mask


def test_pictures_without_details_are_not_compared() -> None:
    plain = Image.radial_gradient("L").resize((120, 96)).convert("RGB")
    assert confirmed(plain, plain.copy(), min_correlation=0.7) == []


@pytest.mark.parametrize("turned", [Image.Transpose.ROTATE_180, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.TRANSPOSE])
def test_a_picture_that_is_nearly_symmetrical_is_found_turned(turned: Image.Transpose) -> None:
    """The rough thumbnails of both orientations are nearly equal; the finer ones decide."""
    whole = np.asarray(photograph(5, 96, 96), np.float32)
    alike = np.asarray(Image.fromarray(whole.astype(np.uint8)).transpose(turned), np.float32)
    picture = Image.fromarray((0.6 * whole + 0.4 * alike).clip(0, 255).astype(np.uint8))
    assert confirmed(picture, picture.transpose(turned), min_correlation=0.85) != []


def test_no_pair_is_no_work() -> None:
    none = np.empty((0, 2), np.int64)
    grey = np.zeros((1, 32, 32), np.uint8)
    found = confirm(none, grey, lambda rows, side_px: np.empty((len(rows), side_px, side_px), np.uint8), 0.5, 0.05)
    assert (len(found.pairs), len(found.correlations)) == (0, 0)


@pytest.mark.parametrize("change", [[[1.04, -0.07, 0.06], [0.07, 0.96, -0.05]], [[0.9, 0, 0.05], [0, 0.92, 0]]])
def test_a_known_map_is_found(change: list[list[float]]) -> None:
    whole = torch.from_numpy(np.asarray(photograph(3).convert("L").resize((64, 64)), np.float32).copy())[None]
    expected = torch.tensor([change])
    seen, _ = moved(whole, expected)
    found = register(0.6 * seen + 20, whole, (*COARSE, *FINE))
    assert (found - expected).abs().max() < 0.01


@pytest.mark.parametrize("orientation", range(8))
def test_the_orientation_is_found(orientation: int) -> None:
    picture = torch.from_numpy(thumbnails(photograph(4)).grey.astype(np.float32))[None]
    turned = oriented(picture, torch.tensor([orientation]))
    found = shifted_correlation(prepared(turned), prepared(picture), torch.arange(8)[:, None])[:, 0]
    assert found.argmax() == orientation
    assert found[orientation] == pytest.approx(1, abs=1e-4)
    assert found.sort().values[-2] < 0.8
