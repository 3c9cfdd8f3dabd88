"""Corrections: what makes pictures of one thing more alike before a network sees them; OpenCV does the work.

They run on the picture as it was resized for the network: so they cost the same for every file, and an application that sends a small
picture gets what training saw. Equal pictures and settings make equal bytes, on any thread and in any process.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Denoise = Literal["none", "median", "bilateral", "non_local_means"]
Colour = Literal["none", "grey_world"]
Contrast = Literal["none", "clahe", "equalise"]
Background = Literal["none", "grabcut"]
KINDS: dict[str, Any] = {"denoise": Denoise, "colour": Colour, "contrast": Contrast, "background": Background}  # by field
ORDER = ("denoise", "colour", "brightness", "contrast", "background")

_MEDIAN_PX = 3
_BILATERAL_PX = 5
_PATCH_PX, _SEARCH_PX = 7, 21  # of non-local means, as its authors have them
_MIN_TILE_PX = 8  # a histogram of fewer pixels is noise
_MAX_GAIN = 4.0  # of a channel, and of gamma: a picture of one colour has no white to be found
_ROUNDS = 3  # of GrabCut
_FOREGROUND = 1  # the bit that its labels of what is, or may be, in front have in common


@dataclass(frozen=True)
class Corrections:
    """Which corrections are made, in this order.

    Attributes:
        denoise: How noise is reduced.
        noise_level: Differences that `bilateral` and `non_local_means` take for noise, in grey levels of 255.
        colour: `grey_world` scales the channels to one mean.
        brightness: Mean, 0 to 1, that gamma brings a picture about to; 0: none.
        contrast: `clahe` equalises the histogram of the brightness tile by tile, within a limit; `equalise` that of the whole picture.
        clahe_limit: How much steeper than before the histogram of a tile may make the contrast.
        clahe_tiles: Tiles a side; fewer where they would have less than 8 pixels a side.
        background: `grabcut` fills what is not in front.
        background_margin: Share of each side, along the edges, that `grabcut` takes for background to begin with.
    """

    denoise: Denoise = "none"
    noise_level: float = 10.0
    colour: Colour = "none"
    brightness: float = 0.0
    contrast: Contrast = "none"
    clahe_limit: float = 2.0
    clahe_tiles: int = 8
    background: Background = "none"
    background_margin: float = 0.05

    def __post_init__(self) -> None:
        """Checks the names, which may come from a file."""
        for name, kind in KINDS.items():
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be one of {', '.join(get_args(kind))}")

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are made, in their order."""
        return tuple(name for name in ORDER if getattr(self, name) not in ("none", 0.0))

    def up_to(self, number: int) -> "Corrections":
        """The first of those that are made alone."""
        return replace(self, **{name: getattr(NONE, name) for name in self.names[number:]})


NONE = Corrections()


def corrected(picture: Pixels, corrections: Corrections, fill: int = 0) -> Pixels:
    """A picture with corrections made; without any, the picture itself.

    Args:
        picture: `(H, W, 3) uint8`, RGB.
        corrections: Which.
        fill: Grey level of a removed background, 0 to 255.

    Returns:
        `(H, W, 3) uint8`, RGB; where the picture is grey, it stays grey.
    """
    for correct in _chosen(corrections, fill):
        picture = correct(picture)
    return picture


def _chosen(wanted: Corrections, fill: int) -> Iterator[Callable[[Pixels], Pixels]]:
    """The functions of the corrections that are made, in their order."""
    if wanted.denoise != "none":
        yield lambda picture: _denoised(picture, wanted.denoise, wanted.noise_level)
    if wanted.colour != "none":
        yield _grey_world
    if wanted.brightness:
        yield lambda picture: _brightened(picture, wanted.brightness)
    if wanted.contrast == "equalise":
        yield lambda picture: _on_brightness(picture, _opencv().equalizeHist)
    if wanted.contrast == "clahe":
        yield lambda picture: _on_brightness(picture, lambda grey: _clahe(grey, wanted.clahe_limit, wanted.clahe_tiles))
    if wanted.background != "none":
        yield lambda picture: _without_background(picture, wanted.background_margin, fill)


def _denoised(picture: Pixels, method: Denoise, noise_level: float) -> Pixels:
    if method == "median":
        return _pixels(_opencv().medianBlur(picture, _MEDIAN_PX))
    if method == "bilateral":  # by default two deviations are noise
        return _pixels(_opencv().bilateralFilter(picture, _BILATERAL_PX, 2 * noise_level, _BILATERAL_PX / 2))
    return _pixels(_opencv().fastNlMeansDenoising(picture, None, noise_level, _PATCH_PX, _SEARCH_PX))


def _grey_world(picture: Pixels) -> Pixels:
    """Scales each channel to the mean of all, as if the picture were grey on average.

    Source: Buchsbaum 1980, "A spatial processor model for object colour perception".
    """
    means = picture.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    gains = np.clip(means.mean() / np.maximum(means, 1e-9), 1 / _MAX_GAIN, _MAX_GAIN)
    levels = np.arange(256)[:, None] * gains
    return _looked_up(picture, levels)


def _brightened(picture: Pixels, mean: float) -> Pixels:
    """Brings the mean of a picture about to a value by gamma, which keeps black and white."""
    found = float(picture.mean(dtype=np.float64)) / 255
    if not 0 < found < 1:
        return picture
    gamma = np.clip(np.log(mean) / np.log(found), 1 / _MAX_GAIN, _MAX_GAIN)
    return _looked_up(picture, np.repeat(255 * (np.arange(256)[:, None] / 255) ** gamma, 3, axis=1))


def _looked_up(picture: Pixels, levels: npt.NDArray[np.float64]) -> Pixels:
    """Replaces the levels of each channel by those of a table, `(256, 3)`."""
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return _pixels(_opencv().LUT(picture, table[None]))


def _on_brightness(picture: Pixels, change: Callable[[Pixels], Any]) -> Pixels:
    """Changes the brightness alone; in this colour space grey stays grey to the bit."""
    cv = _opencv()
    brightness, red, blue = cv.split(cv.cvtColor(picture, cv.COLOR_RGB2YCrCb))
    return _pixels(cv.cvtColor(cv.merge([change(brightness), red, blue]), cv.COLOR_YCrCb2RGB))


def _clahe(grey: Pixels, limit: float, tiles: int) -> Any:
    height, width = (max(1, min(tiles, side // _MIN_TILE_PX)) for side in grey.shape)
    return _opencv().createCLAHE(limit, (width, height)).apply(grey)


def _without_background(picture: Pixels, margin: float, fill: int) -> Pixels:
    """Fills what GrabCut takes for background; a picture of which nothing would be left stays as it is.

    Source: Rother et al. 2004, "GrabCut: interactive foreground extraction using iterated graph cuts".
    """
    cv, (height, width) = _opencv(), picture.shape[:2]
    left, upper = (max(1, round(margin * side)) for side in (width, height))
    inner = (left, upper, width - 2 * left, height - 2 * upper)
    if min(inner[2:]) < 3:  # too small for a model of its colours
        return picture
    labels = np.zeros((height, width), np.uint8)
    cv.setRNGSeed(0)  # of this thread: the models of the colours begin with a random clustering
    cv.grabCut(np.ascontiguousarray(picture[..., ::-1]), labels, inner, None, None, _ROUNDS, cv.GC_INIT_WITH_RECT)
    front = (labels & _FOREGROUND).astype(bool)
    return np.where(front[..., None], picture, np.uint8(fill)) if front.any() else picture


@cache
def _opencv() -> Any:
    """OpenCV, on one thread: pictures are decoded by as many threads as there are cores."""
    import cv2  # takes a tenth of a second, and a model without corrections does without

    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
    return cv2


def _pixels(values: Any) -> Pixels:
    return np.asarray(values, np.uint8)
