"""Hand-made features as a network without learnt weights, for images that are too small or too odd for a pretrained one.

All that is decided by a comparison (local binary patterns, edges, corners) is computed from whole numbers, which float32 holds
exactly: so torch, onnxruntime and every kind of device decide alike. Filters are sums of shifted pictures, not convolutions,
which some devices round.
"""

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darkroom.networks.pretrained import Backbone
from darkroom.preprocessing.recipe import Recipe

VERSION = 1  # raise it whenever a feature changes: kept vectors are known by it
SIDE_PX = 64
CELLS = 8  # a side: cells of the histograms of gradients, and of the maps of edges and corners
NUM_ORIENTATIONS = 9
COARSE_CELLS = 4  # a side: cells of the histograms of patterns
NUM_LEVELS = 4  # of each colour, in the histogram of colours
HYSTERESIS_STEPS = 8  # dilations by one pixel; an edge that is weak for longer than this is cut off
WEAK, STRONG = 100.0, 200.0  # thresholds of Canny, for |gx| + |gy| of grey values 0 to 255, as is usual with OpenCV
_NUM_PATTERNS = 10  # uniform, rotation-invariant patterns of eight neighbours, and one for the others
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
_HARRIS_K = 0.05
_CLIP = 0.2  # of a block's normalised histogram


class Handcrafted(nn.Module):
    """HOG, local binary patterns, colours, edges (Canny and Sobel), corners (Harris) and a thumbnail, each scaled to unit length."""

    def __init__(self) -> None:
        super().__init__()
        blocks = (CELLS - 1) ** 2 * 4 * NUM_ORIENTATIONS
        self.num_features = blocks + COARSE_CELLS**2 * _NUM_PATTERNS + NUM_LEVELS**3 + 3 * CELLS**2 + 3 * CELLS**2

    def forward(self, images: Tensor) -> Tensor:
        """Maps images `(N, 3, S, S) float32`, 0 to 1, S a multiple of 8, to features `(N, D) float32`."""
        rgb = torch.floor(images.to(torch.float32) * 255.0 + 0.5)
        grey = torch.floor((rgb[:, 0:1] * 77 + rgb[:, 1:2] * 150 + rgb[:, 2:3] * 29) / 256)
        blurred = _smooth(grey)
        gx, gy = sobel(blurred)
        parts = (
            hog(grey), patterns(grey), colours(rgb), _cells(canny(gx, gy)), _cells(gx.abs() + gy.abs()), _cells(harris(gx, gy).sqrt()),
            _cell_means(rgb / 255.0).flatten(1) - 0.5,
        )  # fmt: skip
        return torch.cat([F.normalize(part, dim=1) for part in parts], dim=1)


def handcrafted_backbone() -> Backbone:
    """The hand-made features as a backbone; its weights' hash stands for the version of the features."""
    version = hashlib.sha256(f"handcrafted {VERSION}".encode()).hexdigest()
    network = Handcrafted().eval()
    return Backbone("handcrafted", network, network.num_features, Recipe(SIDE_PX), (0.0,) * 3, (1.0,) * 3, version)


def hog(grey: Tensor) -> Tensor:
    """Histograms of oriented gradients: 8 x 8 cells of 9 unsigned orientations, blocks of 2 x 2 cells, L2-Hys.

    A gradient counts for the two nearest orientations. Source: Dalal and Triggs 2005, "Histograms of Oriented Gradients for
    Human Detection".

    Args:
        grey: `(N, 1, S, S) float32`, 0 to 255.

    Returns:
        `(N, 1764) float32`.
    """
    gx = F.pad(grey[..., 2:] - grey[..., :-2], (1, 1, 0, 0))
    gy = F.pad(grey[..., 2:, :] - grey[..., :-2, :], (0, 0, 1, 1))
    magnitude = torch.sqrt(gx * gx + gy * gy)
    flat = (magnitude == 0).to(grey.dtype)  # there the angle of (0, 0) would be no number in ONNX
    orientation = torch.remainder(torch.atan2(gy, gx + flat) * (NUM_ORIENTATIONS / torch.pi), NUM_ORIENTATIONS)  # 0 to 9
    centres = torch.arange(NUM_ORIENTATIONS, dtype=grey.dtype, device=grey.device).view(1, -1, 1, 1) + 0.5
    distance = (orientation - centres).abs()
    distance = torch.minimum(distance, NUM_ORIENTATIONS - distance)
    cells = _cell_means(magnitude * F.relu(1 - distance))
    last = CELLS - 1
    corners = [cells[:, :, y : y + last, x : x + last] for y in (0, 1) for x in (0, 1)]
    blocks = _unit(torch.cat(corners, dim=1))
    return _unit(blocks.clamp(max=_CLIP)).flatten(1)


def patterns(grey: Tensor) -> Tensor:
    """Local binary patterns of 8 neighbours, rotation-invariant and uniform: their shares in 4 x 4 cells.

    Source: Ojala et al. 2002, "Multiresolution Gray-Scale and Rotation Invariant Texture Classification".

    Args:
        grey: `(N, 1, S, S) float32`, whole numbers.

    Returns:
        `(N, 160) float32`: square roots of the shares.
    """
    bits = [(shifted >= grey).to(grey.dtype) for shifted in _shifted(grey, _NEIGHBOURS)]
    changes = _total([(one - other).abs() for one, other in zip(bits, bits[1:] + bits[:1], strict=True)])
    kind = torch.where(changes <= 2, _total(bits), torch.full_like(grey, _NUM_PATTERNS - 1))
    kinds = torch.arange(_NUM_PATTERNS, dtype=grey.dtype, device=grey.device).view(1, -1, 1, 1)
    return _cell_means((kind == kinds).to(grey.dtype), COARSE_CELLS).flatten(1).sqrt()


def colours(rgb: Tensor) -> Tensor:
    """Histogram of colours, 4 levels a channel.

    Args:
        rgb: `(N, 3, S, S) float32`, whole numbers from 0 to 255.

    Returns:
        `(N, 64) float32`: square roots of the shares.
    """
    levels = torch.arange(NUM_LEVELS, dtype=rgb.dtype, device=rgb.device).view(1, 1, -1, 1)
    one_hot = (torch.floor(rgb * (NUM_LEVELS / 256)).flatten(2).unsqueeze(2) == levels).to(rgb.dtype)  # (N, 3, 4, S * S)
    red_green = (one_hot[:, 0].unsqueeze(2) * one_hot[:, 1].unsqueeze(1)).flatten(1, 2)
    counts = torch.matmul(red_green, one_hot[:, 2].transpose(1, 2))
    return (counts / float(rgb.shape[2] * rgb.shape[3])).flatten(1).sqrt()


def sobel(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel's two gradients, across and along, each `(N, 1, S, S)`; the border pixels are repeated."""
    across = [*_shifted(grey, ((0, 1), (0, -1)))]
    along = [*_shifted(grey, ((1, 0), (-1, 0)))]
    gx, gy = across[0] - across[1], along[0] - along[1]
    up, down = _shifted(gx, ((-1, 0), (1, 0)))
    left, right = _shifted(gy, ((0, -1), (0, 1)))
    return up + 2 * gx + down, left + 2 * gy + right


def canny(gx: Tensor, gy: Tensor) -> Tensor:
    """Edges: local maxima of the gradient, strong ones and the weak ones that are tied to them.

    Hysteresis is a bounded number of dilations (`HYSTERESIS_STEPS`), so that it is the same graph for every picture: a weak edge is
    followed for so many pixels. Source: Canny 1986, "A Computational Approach to Edge Detection".

    Args:
        gx: `(N, 1, S, S) float32`: gradients of a smoothed picture.
        gy: The same, along.

    Returns:
        `(N, 1, S, S) float32` of 0 and 1.
    """
    size = gx.abs() + gy.abs()
    flat, steep = gy.abs() * 5 < gx.abs() * 2, gx.abs() * 5 < gy.abs() * 2  # 2/5: the tangent of 22 degrees
    rising = gx * gy > 0
    horizontal, vertical, falling_diagonal, rising_diagonal = (_is_peak(size, way) for way in ((0, 1), (1, 0), (1, 1), (1, -1)))
    diagonal = torch.where(rising, falling_diagonal, rising_diagonal)
    peak = torch.where(flat, horizontal, torch.where(steep, vertical, diagonal))
    weak, edges = peak * (size >= WEAK).to(size.dtype), peak * (size >= STRONG).to(size.dtype)
    for _ in range(HYSTERESIS_STEPS):
        edges = _dilated(edges) * weak
    return edges


def harris(gx: Tensor, gy: Tensor) -> Tensor:
    """Response of Harris's detector where it is positive, at corners: `(N, 1, S, S) float32`.

    Source: Harris and Stephens 1988, "A Combined Corner and Edge Detector".
    """
    gx, gy = gx / 1024.0, gy / 1024.0
    xx, yy, xy = _smooth(gx * gx), _smooth(gy * gy), _smooth(gx * gy)
    return F.relu(xx * yy - xy * xy - _HARRIS_K * (xx + yy) ** 2)


def _dilated(values: Tensor) -> Tensor:
    """The largest of each pixel and its eight neighbours."""
    for ways in (((0, -1), (0, 1)), ((-1, 0), (1, 0))):
        before, after = _shifted(values, ways)
        values = torch.maximum(values, torch.maximum(before, after))
    return values


def _is_peak(size: Tensor, way: tuple[int, int]) -> Tensor:
    """Whether a gradient is larger than its neighbour on one side and no smaller than that on the other."""
    ahead, behind = _shifted(size, (way, (-way[0], -way[1])))
    return (size > ahead).to(size.dtype) * (size >= behind).to(size.dtype)


def _smooth(values: Tensor) -> Tensor:
    """A binomial filter of 5 x 5, which is close to a Gaussian of one pixel."""
    for ways in (((0, -1), (0, 1)), ((-1, 0), (1, 0))):
        for _ in range(2):
            before, after = _shifted(values, ways)
            values = (before + 2 * values + after) / 4
    return values


def _shifted(values: Tensor, ways: Sequence[tuple[int, int]]) -> list[Tensor]:
    """For each way (down, right) the neighbours that lie there; the border pixels are repeated."""
    height, width = int(values.shape[2]), int(values.shape[3])
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    return [padded.narrow(2, 1 + down, height).narrow(3, 1 + right, width) for down, right in ways]


def _total(values: Sequence[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _cells(values: Tensor) -> Tensor:
    return _cell_means(values).flatten(1)


def _cell_means(values: Tensor, num_cells: int = CELLS) -> Tensor:
    return F.avg_pool2d(values, int(values.shape[2]) // num_cells)


def _unit(values: Tensor) -> Tensor:
    return values / torch.sqrt((values * values).sum(dim=1, keepdim=True) + 1e-6)
