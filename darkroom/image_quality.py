"""What a picture is like, in five numbers that need no reference: how dark, bright, blurred, empty and grey it is."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

MEASURES = ("dark", "bright", "blurred", "low_information", "grey")  # the columns of what `measure` gives; higher is worse
DRAFT_PX, MAX_LONG_PX = 128, 512  # shorter side of a draft at most, and the longer one
_BLOCK_PX = 16  # in which an edge is as wide as the range of grey levels over the steepest step
_MIN_RANGE = 24  # of grey levels, that a block with an edge has: below is noise
_MIN_BLOCKS = 3
_SHARPEST = 0.9  # quantile of the blocks' steepness: a photograph may be blurred but for its subject
_LEVELS = 256

Draft = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def draft(picture: Image.Image) -> Draft:
    """A decoded picture (RGB) averaged to the size at which it is measured: `(H, W, 3) uint8`, its shorter side at most 128 pixels."""
    width, height = picture.size
    scale = min(1.0, DRAFT_PX / min(width, height))
    size = (min(MAX_LONG_PX, max(1, round(width * scale))), min(MAX_LONG_PX, max(1, round(height * scale))))
    return np.asarray(picture if size == picture.size else picture.resize(size, Image.Resampling.BOX))


def measure(drafts: Sequence[Draft]) -> Floats:
    """Measures pictures.

    Args:
        drafts: Of N pictures, see `draft`.

    Returns:
        `(N, 5) float32`, a column for each of `MEASURES`, higher is worse: `dark`, how many times the 95th percentile of its grey levels
        is halved below white; `bright`, how many times the room that the 10th percentile leaves to white is halved; `blurred`, the width
        of its sharper edges in pixels, at most 15 (NaN where there are too few edges); `low_information`, how many bits the entropy of
        its grey levels falls short of 8; `grey`, how many times the 99th percentile of the difference of its channels is halved.

    Source: Marziliano et al.: A no-reference perceptual blur metric, 2002 (the width of edges; here of the steepest step in a block).
    """
    rows: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, one in enumerate(drafts):
        rows[one.shape].append(row)
    found = np.empty((len(drafts), len(MEASURES)), np.float32)
    for chosen in rows.values():
        found[chosen] = _measured(np.stack([drafts[row] for row in chosen]))
    return found


def _measured(pictures: Draft) -> Floats:
    """The measures of pictures of one size, `(N, H, W, 3) uint8`."""
    red, green, blue = (pictures[..., channel] for channel in range(3))
    grey = ((77 * red.astype(np.uint16) + 150 * green.astype(np.uint16) + 29 * blue.astype(np.uint16)) >> 8).astype(np.uint8)
    tones = _histograms(grey)
    chroma = _histograms(np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue))
    columns = [
        8 - np.log2(_quantile(tones, 0.95) + 1),
        8 - np.log2(_LEVELS - _quantile(tones, 0.1)),
        _edge_px(grey),
        8 - _entropy(tones),
        8 - np.log2(_quantile(chroma, 0.99) + 1),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _histograms(values: Draft) -> npt.NDArray[np.float64]:
    """Shares of the 256 levels in each picture: `(N, 256)`."""
    number = len(values)
    places = values.reshape(number, -1) + _LEVELS * np.arange(number, dtype=np.int64)[:, None]
    counts = np.bincount(places.ravel(), minlength=number * _LEVELS).reshape(number, _LEVELS)
    return np.asarray(counts / places.shape[1])


def _quantile(histograms: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.int64]:
    """The lowest level up to which there is that share: `(N,)`."""
    return np.asarray((histograms.cumsum(axis=1) >= share - 1e-9).argmax(axis=1))


def _entropy(histograms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    logarithms = np.log2(histograms, out=np.zeros_like(histograms), where=histograms > 0)
    return np.asarray(-(histograms * logarithms).sum(axis=1))


def _edge_px(grey: Draft) -> npt.NDArray[np.float64]:
    """The width of an edge in the sharper blocks of each picture, `(N,)`: the range of its grey levels over their steepest step."""
    number, height, width = grey.shape
    down, across = height // _BLOCK_PX, width // _BLOCK_PX
    if down * across < _MIN_BLOCKS:
        return np.full(number, np.nan)
    top, left = (height - down * _BLOCK_PX) // 2, (width - across * _BLOCK_PX) // 2
    inside = grey[:, top : top + down * _BLOCK_PX, left : left + across * _BLOCK_PX].astype(np.int16)
    blocks = inside.reshape(number, down, _BLOCK_PX, across, _BLOCK_PX)
    ranges = blocks.max(axis=(2, 4)) - blocks.min(axis=(2, 4))
    steps = [np.abs(np.diff(blocks, axis=axis)).max(axis=(2, 4)) for axis in (2, 4)]
    steepness = np.where(ranges >= _MIN_RANGE, np.maximum(*steps) / np.maximum(ranges, 1), np.nan).reshape(number, -1)
    return _sharpest(steepness)


def _sharpest(steepness: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """One over the quantile of the blocks that have an edge, `(N,)`; NaN of pictures that have too few of these."""
    ordered = np.sort(steepness, axis=1)  # NaN last
    known = np.isfinite(ordered).sum(axis=1)
    place = np.maximum(0, np.ceil(_SHARPEST * known).astype(np.int64) - 1)
    found = 1 / np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]
    return np.asarray(np.where(known >= _MIN_BLOCKS, found, np.nan))
