"""Where each pixel comes from: rotation, scale, perspective and similar operations, composed into one resampling.

Matrices are homographies on homogeneous coordinates with x and y from -1 to 1 over the image (pixel edges, as
`align_corners=False` has it), and lead from the result back to the source.
"""

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from darkroom.augmentation.draws import Happenings

Builder = Callable[[Tensor, Tensor, float], Tensor]


def warp(batch: Tensor, matrices: Tensor) -> Tensor:
    """Resamples each image through its own homography, mirrored beyond the border.

    Args:
        batch: `(N, 3, H, W) float32`.
        matrices: `(N, 3, 3) float32`, from the result's coordinates to the source's.

    Returns:
        `(N, 3, H, W) float32`, bilinear.
    """
    height, width = batch.shape[2:]
    x = (torch.arange(width, device=batch.device, dtype=batch.dtype) * 2 + 1) / width - 1
    y = (torch.arange(height, device=batch.device, dtype=batch.dtype) * 2 + 1) / height - 1
    planes = [  # one plane a coordinate, added up by broadcasting: far faster than a matrix product a pixel
        matrices[:, row, 0, None, None] * x + (matrices[:, row, 1, None] * y + matrices[:, row, 2, None])[:, :, None] for row in range(3)
    ]
    is_plain = not bool((matrices[:, 2, :2] != 0).any())
    depth = None if is_plain else planes[2].clamp_min_(1e-3)
    grid = batch.new_empty(len(batch), height, width, 2)
    for coordinate, plane in zip(grid.unbind(dim=3), planes[:2], strict=True):  # far faster than a stack of both
        coordinate.copy_(plane) if depth is None else torch.div(plane, depth, out=coordinate)
    return F.grid_sample(batch, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def matrices(happenings: Happenings, aspect: float) -> Tensor | None:
    """Composes the geometric operations that an image drew.

    Args:
        happenings: What happens to N images.
        aspect: Width over height of the images.

    Returns:
        `(N, 3, 3) float32`, the identity for an image that drew none; none if no image drew any.
    """
    composed: Tensor | None = None
    for name, build in BUILDERS.items():
        if name not in happenings:
            continue
        operation, applied, uniforms = happenings[name]
        matrix = torch.where(applied[:, None, None], build(operation.strengths(uniforms), uniforms, aspect), torch.eye(3))
        composed = matrix if composed is None else composed @ matrix
    return composed


def _linear(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    matrix = torch.eye(3).repeat(len(a), 1, 1)
    matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1] = a, b, c, d
    return matrix


def _rotation(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    angle = strength[:, 0] * (math.pi / 180)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return _linear(cos, -sin / aspect, sin * aspect, cos)  # turned in pixels, not in shares of the side


def _scale(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    shrink = 1 / strength[:, 0]
    return _linear(shrink, torch.zeros_like(shrink), torch.zeros_like(shrink), shrink)


def _aspect(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    factor = strength[:, 0].sqrt()
    return _linear(1 / factor, torch.zeros_like(factor), torch.zeros_like(factor), factor)


def _translation(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    matrix = torch.eye(3).repeat(len(strength), 1, 1)
    matrix[:, :2, 2] = -2 * strength[:, :2]
    return matrix


def _horizontal_translation(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    return _translation(torch.stack([strength[:, 0], torch.zeros(len(strength))], dim=1), uniforms, aspect)


def _vertical_translation(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    return _translation(torch.stack([torch.zeros(len(strength)), strength[:, 0]], dim=1), uniforms, aspect)


def _horizontal_shear(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    one, zero = torch.ones(len(strength)), torch.zeros(len(strength))
    return _linear(one, strength[:, 0] / aspect, zero, one)


def _vertical_shear(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    one, zero = torch.ones(len(strength)), torch.zeros(len(strength))
    return _linear(one, zero, strength[:, 0] * aspect, one)


def _crop(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    share = strength[:, 0]
    matrix = _linear(share, torch.zeros_like(share), torch.zeros_like(share), share)
    matrix[:, :2, 2] = (1 - share)[:, None] * (2 * uniforms[:, 1:3] - 1)
    return matrix


def _perspective(strength: Tensor, uniforms: Tensor, aspect: float) -> Tensor:
    """The homography that brings each corner, pulled inwards, back to the image's corner.

    Source: torchvision.transforms.RandomPerspective draws its corners the same way.
    """
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    inwards = corners * (1 - strength.reshape(-1, 4, 2))
    x, y = inwards[:, :, 0], inwards[:, :, 1]
    u, v = corners[:, 0].expand_as(x), corners[:, 1].expand_as(y)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    rows_u = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], dim=2)
    rows_v = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], dim=2)
    solved = torch.linalg.solve(torch.cat([rows_u, rows_v], dim=1).double(), torch.cat([u, v], dim=1).double())
    return torch.cat([solved, solved.new_ones(len(solved), 1)], dim=1).reshape(-1, 3, 3).float()


BUILDERS: Mapping[str, Builder] = {
    "rotation": _rotation,
    "scale": _scale,
    "aspect": _aspect,
    "translation": _translation,
    "perspective": _perspective,
    "crop": _crop,
    "horizontal_shear": _horizontal_shear,
    "vertical_shear": _vertical_shear,
    "horizontal_translation": _horizontal_translation,
    "vertical_translation": _vertical_translation,
}
