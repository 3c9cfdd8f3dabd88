"""Operations of fixed strength against torchvision's own, on images of 256 levels.

Where both compute in floating point they agree to 1e-5. Wider tolerances say why: torchvision rounds or weighs grey otherwise,
fills with black beyond the border where this mirrors, or encodes real files.
"""

import math
from collections.abc import Callable

import pytest
import torch
import torchvision.transforms.v2 as transforms
import torchvision.transforms.v2.functional as F
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode

from darkroom.augmentation.draws import draw
from darkroom.augmentation.operations import apply, apply_drawn
from darkroom.augmentation.policy import OPERATIONS, Operation, Policy

BILINEAR = InterpolationMode.BILINEAR
GREY_WEIGHTS = 2e-4  # 0.2989 of red there, 0.299 here, at factors up to 2


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(height: int = 24, width: int = 33) -> Tensor:
    """Noise of 256 levels, each image of its own range."""
    spread = torch.tensor([1.0, 0.7, 0.3, 0.05])[:, None, None, None]
    values = torch.rand(4, 3, height, width, generator=seeded(1)) * spread + 0.3 * (1 - spread)
    return values.mul(255).round().div(255)


def photographs(height: int = 48, width: int = 64) -> Tensor:
    """Smooth pictures with an edge, of 256 levels."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    waves = [torch.sin((2 + number) * math.pi * (x + number * y)) * 0.4 + 0.5 for number in range(3)]
    picture = torch.stack([torch.where(x + y > 1.2, 1 - wave, wave) for wave in waves])
    return torch.stack([picture, picture.roll(1, 0), picture.flip(2)]).mul(255).round().div(255)


def ours(name: str, batch: Tensor, strength: float = 0.0) -> Tensor:
    return apply(Policy(operations=(Operation(name=name, probability=1, low=strength, high=strength),)), batch, seeded())


def each(change: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    return torch.stack([change(image) for image in batch])


def as_bytes(batch: Tensor) -> Tensor:
    return batch.mul(255).round().to(torch.uint8)


@pytest.mark.parametrize(
    ("name", "strength", "theirs", "tolerance"),
    [
        pytest.param("horizontal_flip", 0, F.horizontal_flip, 0, id="horizontal_flip"),
        pytest.param("vertical_flip", 0, F.vertical_flip, 0, id="vertical_flip"),
        pytest.param("brightness", 1.4, lambda image: F.adjust_brightness(image, 1.4), 1e-6, id="brightness"),
        pytest.param("contrast", 0.4, lambda image: F.adjust_contrast(image, 0.4), GREY_WEIGHTS, id="contrast"),
        pytest.param("contrast", 1.9, lambda image: F.adjust_contrast(image, 1.9), GREY_WEIGHTS, id="more-contrast"),
        pytest.param("saturation", 0.3, lambda image: F.adjust_saturation(image, 0.3), GREY_WEIGHTS, id="saturation"),
        pytest.param("saturation", 1.8, lambda image: F.adjust_saturation(image, 1.8), GREY_WEIGHTS, id="more-saturation"),
        pytest.param("grey", 0, lambda image: F.rgb_to_grayscale(image, 3), GREY_WEIGHTS, id="grey"),
        pytest.param("sharpness", 0.0, lambda image: F.adjust_sharpness(image, 0.0), 1e-5, id="softest"),
        pytest.param("sharpness", 1.9, lambda image: F.adjust_sharpness(image, 1.9), 1e-5, id="sharpness"),
        pytest.param("solarize", 100 / 255, lambda image: F.solarize(image, 100 / 255), 1e-6, id="solarize"),
        pytest.param("autocontrast", 0, F.autocontrast, 1e-5, id="autocontrast"),
        pytest.param("blur", 1.5 / 24, lambda image: F.gaussian_blur(image, [15, 15], [1.5, 1.5]), 1e-5, id="blur"),
    ],
)
def test_values_are_torchvisions(name: str, strength: float, theirs: Callable[[Tensor], Tensor], tolerance: float) -> None:
    batch = images()
    torch.testing.assert_close(ours(name, batch, strength), each(theirs, batch), atol=tolerance, rtol=0)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_posterized_levels_are_torchvisions(bits: int) -> None:
    batch = images()
    assert torch.equal(as_bytes(ours("posterize", batch, bits)), F.posterize(as_bytes(batch), bits))


def test_equalized_levels_are_torchvisions() -> None:
    batch = torch.cat([images(), torch.full((1, 3, 24, 33), 0.2), (images() > 0.4).float()])  # also of one and of two values
    assert torch.equal(as_bytes(ours("equalize", batch)), F.equalize(as_bytes(batch)))


@pytest.mark.parametrize("shift", [-1, 1])
def test_hue_by_a_third_is_torchvisions(shift: int) -> None:
    """Other angles differ: torchvision moves along the hexagon of HSV at equal value, this turns about the grey axis at equal mean."""
    batch = images()
    torch.testing.assert_close(
        ours("hue", batch, 120.0 * shift), each(lambda image: F.adjust_hue(image, shift / 3), batch), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("degrees", [-40.0, 20.0, 75.0])
def test_hue_by_other_angles_is_torchvisions_to_two_degrees(degrees: float) -> None:
    colours = torch.tensor([[0.6, 0.5, 0.5], [0.4, 0.6, 0.4], [0.5, 0.4, 0.55]])[:, :, None, None].expand(3, 3, 4, 4).contiguous()
    mine, theirs = ours("hue", colours, degrees), each(lambda image: F.adjust_hue(image, degrees / 360), colours)
    assert torch.cos(hue_of(mine) - hue_of(theirs)).min() > math.cos(math.radians(2))


def hue_of(batch: Tensor) -> Tensor:
    """Angle of each pixel's colour around the grey axis."""
    red, green, blue = batch.unbind(dim=1)
    return torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)


def middle(batch: Tensor, share: float = 0.25) -> Tensor:
    """Away from the border, beyond which torchvision sees black."""
    height, width = batch.shape[2:]
    top, left = int(height * share), int(width * share)
    return batch[:, :, top : height - top, left : width - left]


@pytest.mark.parametrize(
    ("name", "strength", "theirs"),
    [
        pytest.param("rotation", 20.0, lambda image: F.rotate(image, 20.0, BILINEAR), id="rotation"),
        pytest.param("scale", 1.3, lambda image: F.affine(image, 0.0, [0, 0], 1.3, [0.0, 0.0], BILINEAR), id="scale"),
        pytest.param("scale", 0.8, lambda image: F.affine(image, 0.0, [0, 0], 0.8, [0.0, 0.0], BILINEAR), id="smaller"),
        pytest.param("translation", 0.125, lambda image: F.affine(image, 0.0, [8, 6], 1.0, [0.0, 0.0], BILINEAR), id="translation"),
        pytest.param("horizontal_translation", 0.125, lambda image: F.affine(image, 0.0, [8, 0], 1.0, [0.0, 0.0], BILINEAR), id="right"),
        pytest.param("vertical_translation", -0.125, lambda image: F.affine(image, 0.0, [0, -6], 1.0, [0.0, 0.0], BILINEAR), id="up"),
        pytest.param(
            "horizontal_shear",
            0.2,
            lambda image: F.affine(image, 0.0, [0, 0], 1.0, [math.degrees(math.atan(0.2)), 0.0], BILINEAR),
            id="horizontal_shear",
        ),
        pytest.param(
            "vertical_shear",
            0.2,
            lambda image: F.affine(image, 0.0, [0, 0], 1.0, [0.0, math.degrees(math.atan(0.2))], BILINEAR),
            id="vertical_shear",
        ),
    ],
)
def test_geometry_is_torchvisions_away_from_the_border(name: str, strength: float, theirs: Callable[[Tensor], Tensor]) -> None:
    batch = photographs()
    torch.testing.assert_close(middle(ours(name, batch, strength)), middle(each(theirs, batch)), atol=1e-4, rtol=0)


def test_perspective_is_torchvisions_away_from_the_border() -> None:
    batch = photographs(64, 64)
    start, end = [[0, 0], [64, 0], [64, 64], [0, 64]], [[8, 8], [56, 8], [56, 56], [8, 56]]  # each corner by a quarter of half the side
    expected = each(lambda image: F.perspective(image, start, end, BILINEAR), batch)
    torch.testing.assert_close(middle(ours("perspective", batch, 0.25)), middle(expected), atol=1e-4, rtol=0)


def test_crop_is_torchvisions_but_for_the_outermost_pixels() -> None:
    """There, torchvision repeats the window's last pixel, and this reads the image beyond it."""
    batch, policy = photographs(64, 64), Policy(operations=(Operation(name="crop", probability=1, low=0.5, high=0.5),))
    draws = draw(policy, len(batch), seeded())
    draws[:, list(OPERATIONS).index("crop"), 2:4] = torch.tensor([0.25, 0.5])  # left and top, as shares of what is left out
    expected = F.resized_crop(batch, 16, 8, 32, 32, [64, 64], BILINEAR, antialias=False)
    torch.testing.assert_close(apply_drawn(policy, batch, draws)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-4, rtol=0)


@pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
@pytest.mark.parametrize("quality", [10, 40, 75, 95])
@pytest.mark.parametrize("size", [(48, 64), (37, 51)], ids=["whole-blocks", "odd"])
def test_jpeg_is_what_a_file_of_that_quality_holds(quality: int, size: tuple[int, int]) -> None:
    """libjpeg computes in integers, so a wave between two multiples may be rounded otherwise: some blocks differ by a step of the table."""
    batch = photographs(*size)
    expected = each(lambda image: F.jpeg(image, quality), as_bytes(batch))
    difference = (as_bytes(ours("jpeg", batch, quality)).int() - expected.int()).abs().float()
    assert difference.mean() < 1
    assert (difference > 4).float().mean() < 0.05
    assert (expected - as_bytes(batch).int()).abs().float().mean() > 6  # that is little beside what JPEG does to these


def test_erasing_paints_what_torchvisions_erase_paints() -> None:
    batch = images(24, 24)
    erased = ours("erasing", batch, 0.2)
    for image, result in zip(batch, erased, strict=True):
        rows, columns = ((image != result).any(dim=0).any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        mean = image.mean(dim=(1, 2), keepdim=True)
        torch.testing.assert_close(result, F.erase(image, int(rows[0]), int(columns[0]), height, width, mean))


def test_noise_is_spread_as_torchvisions_is() -> None:
    """Random numbers differ, so their distribution is compared, where nothing is clipped."""
    plain = torch.full((64, 3, 64, 64), 0.5)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        theirs = transforms.GaussianNoise(0.0, 0.1)(plain) - plain
    mine = ours("noise", plain, 0.1) - plain
    levels = torch.linspace(0.01, 0.99, 25)
    quantiles = [torch.quantile(noise.flatten(), levels) for noise in (mine, theirs)]
    torch.testing.assert_close(*quantiles, atol=3e-3, rtol=0)
