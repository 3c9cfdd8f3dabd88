"""Registration: the affine map under which one grey picture fits another best, found from coarse to fine."""

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from darkroom.similarity.filters import evened, shrunk

# sides in pixels, and iterations: more change no correlation by more than 0.001 (close up 0.01)
COARSE, FINE, CLOSE_UP = ((16, 4), (32, 4)), ((64, 2),), ((128, 1),)
MAX_LINEAR, MAX_SHIFT = 0.17, 0.2  # that the map departs from the identity: crops of 10 %, turns of 5 degrees, of oblong pictures too
_MAX_STEP = 0.15
_ROBUST = 1.0  # error, in standard deviations, that counts half
_DAMPING = 1e-3
_NOISE = 4.0  # grey levels


def register(fixed: Tensor, moving: Tensor, levels: Sequence[tuple[int, int]], maps: Tensor | None = None) -> Tensor:
    """Finds the maps by Gauss-Newton steps on pictures of even contrast, in which single pixels that do not fit count little.

    Args:
        fixed: `(N, S, S) float32`, grey levels of 0 to 255.
        moving: Those that are to be moved.
        levels: Sides to which the pictures are shrunk, one after the other, and iterations at each.
        maps: From where to go on; the identity where there are none.

    Returns:
        `(N, 2, 3) float32`: from coordinates of the fixed picture to those of the moving one, both -1 to 1, as `affine_grid` takes them.

    Source: Lucas, Kanade: An iterative image registration technique, 1981; Evangelidis, Psarakis: Parametric image alignment
    using enhanced correlation coefficient maximization, 2008.
    """
    found = torch.eye(2, 3).repeat(len(fixed), 1, 1) if maps is None else maps
    for side_px, iterations in levels:
        goal, image = (evened(shrunk(pictures, side_px), side_px / 8, _NOISE) for pictures in (fixed, moving))
        for _ in range(iterations):
            found = _limited(_improved(goal, image, found))
    return found


def moved(pictures: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures `(N, S, S)` under their maps, and which of the pixels come from inside of them, `(N, S, S)` of 0 and 1."""
    side = pictures.shape[-1]
    grid = _grid(maps, side)
    inside = (grid.abs().amax(-1) <= 1 - 0.5 / side).float()
    return F.grid_sample(pictures[:, None], grid, align_corners=False, padding_mode="border")[:, 0], inside


def _grid(maps: Tensor, side: int) -> Tensor:
    """Where each pixel is from, `(N, S, S, 2)`: as `affine_grid` gives it, which takes several times as long for small pictures."""
    place = _places(side)
    down = maps[:, :, 1:2] * place + maps[:, :, 2:]
    return (maps[:, None, None, :, 0] * place[:, None] + down.transpose(1, 2)[:, :, None]).contiguous()


def _improved(fixed: Tensor, moving: Tensor, maps: Tensor) -> Tensor:
    """The maps after one step: six parameters of the map, and gain and offset, by weighted least squares."""
    number, side = len(fixed), fixed.shape[-1]
    image, inside = moved(moving, maps)
    inside[:, [0, -1]] = 0
    inside[:, :, [0, -1]] = 0
    goal, image = _standardised(fixed, inside), _standardised(image, inside)
    error = goal - image
    weight = (inside / (1 + (error / _ROBUST) ** 2)).reshape(number, 1, -1)
    across, down = torch.zeros_like(image), torch.zeros_like(image)
    across[:, :, 1:-1] = (image[:, :, 2:] - image[:, :, :-2]) * (side / 4)
    down[:, 1:-1] = (image[:, 2:] - image[:, :-2]) * (side / 4)
    place = _places(side)
    x, y = place[None, None, :], place[None, :, None]
    columns = [across * x, across * y, across, down * x, down * y, down, image, torch.ones_like(image)]
    design = torch.stack(columns, dim=1).reshape(number, len(columns), -1)
    weighted = design * weight
    normal = weighted @ design.transpose(1, 2)
    damping = _DAMPING * torch.diag_embed(torch.diagonal(normal, dim1=1, dim2=2) + 1.0)
    change = torch.linalg.solve(normal + damping, weighted @ error.reshape(number, -1, 1))[:, :6, 0].reshape(number, 2, 3)
    last = torch.tensor([0.0, 0.0, 1.0]).expand(number, 1, 3)
    step = torch.cat([torch.eye(2, 3) + change.clamp(-_MAX_STEP, _MAX_STEP), last], dim=1)
    return (torch.cat([maps, last], dim=1) @ step)[:, :2]


@cache
def _places(side: int) -> Tensor:
    """The middles of pixels, `(S,)`, -1 to 1."""
    return (torch.arange(side) + 0.5) * 2 / side - 1


def _limited(maps: Tensor) -> Tensor:
    change = maps - torch.eye(2, 3)
    return torch.eye(2, 3) + torch.cat(
        [change[:, :, :2].clamp(-MAX_LINEAR, MAX_LINEAR), change[:, :, 2:].clamp(-MAX_SHIFT, MAX_SHIFT)], dim=2
    )


def _standardised(pictures: Tensor, inside: Tensor) -> Tensor:
    """Pictures of mean 0 and deviation 1 where they are inside."""
    count = inside.sum((1, 2), keepdim=True).clamp(min=1)
    centred = pictures - (pictures * inside).sum((1, 2), keepdim=True) / count
    return centred / torch.sqrt((centred**2 * inside).sum((1, 2), keepdim=True) / count + 1e-6)
