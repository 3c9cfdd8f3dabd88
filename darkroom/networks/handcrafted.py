"""Hand-made features as a network without learnt weights, for images that are too small or too odd for a pretrained one.

All that is decided by a comparison (local binary patterns, edges, corners) is computed from whole numbers, which float32 holds
exactly, TensorFloat-32 among them: so torch, onnxruntime and every kind of device decide alike.
"""

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darkroom.networks.architectures import HANDCRAFTED
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
        gx, gy = gradients(grey)
        parts = (
            hog(grey), patterns(grey), colours(rgb), _cells(canny(gx, gy)), _cells(gx.abs() + gy.abs()), _cells(harris(gx, gy).sqrt()),
            _cell_means(rgb / 255.0).flatten(1) - 0.5,
        )  # fmt: skip
        return torch.cat([F.normalize(part, dim=1) for part in parts], dim=1)


def handcrafted_backbone() -> Backbone:
    """The hand-made features as a backbone; its weights' hash stands for the version of the features."""
    version = hashlib.sha256(f"{HANDCRAFTED} {VERSION}".encode()).hexdigest()
    network = Handcrafted().eval()
    return Backbone(HANDCRAFTED, network, network.num_features, Recipe(SIDE_PX), (0.0,) * 3, (1.0,) * 3, version)


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


def gradients(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel's two gradients, across and along, of the picture after a binomial filter of 5 x 5: one convolution of 7 x 7.

    Args:
        grey: `(N, 1, S, S) float32`, whole numbers from 0 to 255; the border pixels are repeated.

    Returns:
        Twice `(N, 1, S, S) float32`, as of grey values from 0 to 255.
    """
    smooth = torch.tensor([1.0, 6.0, 15.0, 20.0, 15.0, 6.0, 1.0], dtype=grey.dtype, device=grey.device)
    rise = torch.tensor([-1.0, -4.0, -5.0, 0.0, 5.0, 4.0, 1.0], dtype=grey.dtype, device=grey.device)
    across = torch.outer(smooth, rise)
    both = F.conv2d(_padded(grey, 3), torch.stack([across, across.T])[:, None]) / 256.0
    return both[:, :1], both[:, 1:]


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
    horizontal, vertical, falling, rising_peak = _peaks(size, ((0, 1), (1, 0), (1, 1), (1, -1)))
    diagonal = torch.where(rising, falling, rising_peak)
    peak = torch.where(flat, horizontal, torch.where(steep, vertical, diagonal))
    weak, edges = peak * (size >= WEAK).to(size.dtype), peak * (size >= STRONG).to(size.dtype)
    for _ in range(HYSTERESIS_STEPS):
        edges = F.max_pool2d(edges, 3, 1, 1) * weak
    return edges


def harris(gx: Tensor, gy: Tensor) -> Tensor:
    """Response of Harris's detector where it is positive, at corners: `(N, 1, S, S) float32`.

    Source: Harris and Stephens 1988, "A Combined Corner and Edge Detector".
    """
    gx, gy = gx / 1024.0, gy / 1024.0
    binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=gx.dtype, device=gx.device) / 16.0
    kernel = torch.outer(binomial, binomial).expand(3, 1, 5, 5)
    summed = F.conv2d(_padded(torch.cat([gx * gx, gy * gy, gx * gy], dim=1), 2), kernel, groups=3)
    xx, yy, xy = summed[:, 0:1], summed[:, 1:2], summed[:, 2:3]
    return F.relu(xx * yy - xy * xy - _HARRIS_K * (xx + yy) ** 2)


def _peaks(size: Tensor, ways: Sequence[tuple[int, int]]) -> list[Tensor]:
    """For each way, whether a gradient is larger than its neighbour there and no smaller than the opposite one."""
    shifted = _shifted(size, [*ways, *((-down, -right) for down, right in ways)])
    pairs = zip(shifted[: len(ways)], shifted[len(ways) :], strict=True)
    return [(size > ahead).to(size.dtype) * (size >= behind).to(size.dtype) for ahead, behind in pairs]


def _shifted(values: Tensor, ways: Sequence[tuple[int, int]]) -> list[Tensor]:
    """For each way (down, right) the neighbours that lie there; the border pixels are repeated."""
    height, width = int(values.shape[2]), int(values.shape[3])
    padded = _padded(values, 1)
    return [padded.narrow(2, 1 + down, height).narrow(3, 1 + right, width) for down, right in ways]


def _padded(values: Tensor, width: int) -> Tensor:
    return F.pad(values, (width, width, width, width), mode="replicate")


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
