"""Thumbnails of a picture, and its signature: 64 bits by which copies are found, mirrored and turned ones among them."""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

GREY_PX, COLOUR_PX = 32, 8  # sides of the two thumbnails
_ENOUGH_PX = 2 * GREY_PX  # sides to which a picture is averaged before it is resized
_BLOCK = 4096  # thumbnails whose sums are taken at once
_TRANSPOSE = Image.Transpose.TRANSPOSE

Frequency = tuple[int, int]


class Thumbnails(NamedTuple):
    """What a picture looks like from afar.

    Attributes:
        grey: `(32, 32) uint8`.
        colours: `(8, 8, 3) uint8`, RGB.
        signature: 64 bits; of copies (compressed, resized, mirrored, turned) at most 6 differ, of other pictures hardly ever.
    """

    grey: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.uint8]
    signature: int


def thumbnails(picture: Image.Image) -> Thumbnails:
    """Makes the thumbnails of a decoded picture (RGB), squeezed to squares; those of a mirrored or turned one are mirrored or turned."""
    averaged = _averaged(picture)
    grey = _grey(averaged.convert("L"))
    colours = np.asarray(averaged.resize((COLOUR_PX, COLOUR_PX), Image.Resampling.BILINEAR))
    return Thumbnails(grey, colours, signature(grey))


def signature(grey: npt.NDArray[np.uint8]) -> int:
    """Describes a grey thumbnail by the signs of 64 sums of its cosine transform that mirroring and quarter turns do not change.

    Mirroring changes the signs of the coefficients of odd frequencies in one direction, a transposition exchanges the two
    directions, and a quarter turn does both. So a coefficient of even frequencies plus the transposed one stays, and so does the
    product of two coefficients whose frequencies are odd in the same directions plus the product of the transposed ones.

    Args:
        grey: `(32, 32) uint8`.

    Returns:
        64 bits, as a whole number.
    """
    sums = _sums(grey[None])[0]
    return sum(1 << place for place, value in enumerate(sums) if value > 0)


def invariants(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Describes grey thumbnails by the sums themselves, whose nearest neighbours are copies that the signature misses.

    Args:
        grey: `(N, 32, 32) uint8`.

    Returns:
        `(N, 64) float32` of unit length (zero for an even area): the same under mirroring, quarter turns, brightness and contrast.
    """
    blocks = np.split(grey, range(_BLOCK, len(grey), _BLOCK))  # in float64 a million thumbnails take 8 GB
    return np.concatenate([_invariants(block) for block in blocks])


def _invariants(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    sums = _sums(grey, sharpened=True)
    degree = np.arange(sums.shape[1]) < len(_even_frequencies())  # the others are products, of twice the degree
    values = np.where(degree, sums, np.sign(sums) * np.sqrt(np.abs(sums)))
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9), np.float32)


def _sums(grey: npt.NDArray[np.uint8], *, sharpened: bool = False) -> npt.NDArray[np.float64]:
    """The 64 sums of each thumbnail `(N, 32, 32)`; sharpened: frequencies that are low do not outweigh the higher ones."""
    basis = _cosines()
    c = np.round(basis @ grey.astype(np.float64) @ basis.T, 3)  # rounded: the order of sums must not decide a sign
    if sharpened:
        squares = np.arange(len(basis)) ** 2
        c = c * np.sqrt(1 + squares[:, None] + squares)
    c = c.transpose(1, 2, 0)
    sums = [c[f] + c[f[::-1]] for f in _even_frequencies()]
    sums += [c[f] * c[g] + c[f[::-1]] * c[g[::-1]] for f, g in _frequency_pairs()]
    return np.stack(sums, axis=1)


def _averaged(picture: Image.Image) -> Image.Image:
    """The picture averaged over equal boxes, laid in its middle, so that a mirrored picture has the mirrored boxes."""
    factors = [_factor(side) for side in picture.size]
    if factors == [1, 1]:
        return picture
    (width, height), (left, upper) = picture.size, (side % factor // 2 for side, factor in zip(picture.size, factors, strict=True))
    return picture.reduce((factors[0], factors[1]), box=(left, upper, width - left, height - upper))


def _factor(side: int) -> int:
    """Side of a box of which enough fit into the picture, and whose remainder can be cut off in equal parts."""
    return next((factor for factor in range(side // _ENOUGH_PX, 1, -1) if side % factor % 2 == 0), 1)


def _grey(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The picture resized across and along first, and the mean of both: Pillow rounds in between, so one order would not turn with it."""
    sides, kind = (GREY_PX, GREY_PX), Image.Resampling.BILINEAR
    across = np.asarray(picture.resize(sides, kind), np.uint16)
    along = np.asarray(picture.transpose(_TRANSPOSE).resize(sides, kind), np.uint16).T
    return ((across + along + 1) // 2).astype(np.uint8)


@cache
def _cosines() -> npt.NDArray[np.float64]:
    """`(10, 32)`: the lowest frequencies of the cosine transform."""
    frequency, place = np.arange(10)[:, None], np.arange(GREY_PX)[None]
    return np.asarray(np.cos(np.pi * frequency * (2 * place + 1) / (2 * GREY_PX)))


@cache
def _even_frequencies() -> tuple[Frequency, ...]:
    """14 pairs of even frequencies."""
    return tuple((u, v) for u in range(0, 10, 2) for v in range(u, 10, 2) if v)[:14]


@cache
def _frequency_pairs() -> tuple[tuple[Frequency, Frequency], ...]:
    """50 pairs of coefficients near each other: 34 that are odd in one direction, 16 that are odd in both."""
    one = _by_height([(u, v) for u in range(1, 10, 2) for v in range(0, 10, 2)])
    both = _by_height([(u, v) for u in range(1, 10, 2) for v in range(u, 10, 2)])
    numbers = ((one, 1, 14), (one, 2, 12), (one, 3, 8), (both, 1, 9), (both, 2, 7))
    return tuple((kind[place], kind[place + step]) for kind, step, number in numbers for place in range(number))


def _by_height(frequencies: list[Frequency]) -> list[Frequency]:
    return sorted(frequencies, key=lambda f: (f[0] ** 2 + f[1] ** 2, f))
