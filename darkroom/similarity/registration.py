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
    side, place = pictures.shape[-1], _places(pictures.shape[-1])
    # where each pixel is from, `(N, 2, S, S)`: as `affine_grid` gives it, which takes longer for small pictures, but in two planes
    planes = (maps[:, :, :1] * place)[:, :, None] + (maps[:, :, 1:2] * place + maps[:, :, 2:])[..., None]
    inside = (torch.maximum(planes[:, 0].abs(), planes[:, 1].abs()) <= 1 - 0.5 / side).float()
    shown = F.grid_sample(pictures[:, None], planes.permute(0, 2, 3, 1), align_corners=False, padding_mode="border")[:, 0]
    return shown, inside


def _improved(fixed: Tensor, moving: Tensor, maps: Tensor) -> Tensor:
    """The maps after one step: six parameters of the map, and gain and offset, by weighted least squares."""
    number, side = len(fixed), fixed.shape[-1]
    image, inside = moved(moving, maps)
    inside = inside * _inner(side)
    count = inside.sum((1, 2)).clamp(min=1)
    goal, image = _standardised(fixed, inside, count), _standardised(image, inside, count)
    error = goal - image
    weight = inside / error.square().div_(_ROBUST**2).add_(1)
    across, down = torch.empty(2, number, side, side)
    for gradient, axis, later, earlier in ((across, 2, image[:, :, 2:], image[:, :, :-2]), (down, 1, image[:, 2:], image[:, :-2])):
        torch.sub(later, earlier, out=gradient.narrow(axis, 1, side - 2))
        gradient.select(axis, 0).zero_()
        gradient.select(axis, side - 1).zero_()
    moments = _moments(weight, across, down, image, error) * _scales(side)
    normal, right = (moments[:, places] for places in (_NORMAL, _RIGHT))
    damping = _DAMPING * torch.diag_embed(torch.diagonal(normal, dim1=1, dim2=2) + 1.0)
    change = torch.linalg.solve(normal + damping, right[:, :, None])[:, :6, 0].reshape(number, 2, 3)
    last = torch.tensor([0.0, 0.0, 1.0]).expand(number, 1, 3)
    step = torch.cat([torch.eye(2, 3) + change.clamp(-_MAX_STEP, _MAX_STEP), last], dim=1)
    return (torch.cat([maps, last], dim=1) @ step)[:, :2]


def _moments(weight: Tensor, across: Tensor, down: Tensor, image: Tensor, error: Tensor) -> Tensor:
    """Weighted sums of products of gradients, image and error, each times x^2, xy, y^2, x, y and 1: `(N, 14 * 6)`.

    The equations of all parameters are made of them. A matrix of a column a parameter takes more passes over the pixels. Sums that no
    equation has are zeros: of products of one gradient those with x^2, xy and y^2, and of none all but that with 1.

    Args:
        weight: Of each pixel, `(N, S, S)`, as the other arguments are.
        across: Gradient in x: differences of the neighbours on both sides.
        down: Gradient in y.
        image: The moved picture.
        error: The fixed picture less the moved one.
    """
    number, side = weight.shape[:2]
    products = torch.empty(_PRODUCTS, number, side, side)
    wx, wy, wi = (torch.mul(weight, values, out=products[place]) for place, values in ((5, across), (6, down), (12, image)))
    factors = ((wx, across), (wx, down), (wy, down), (wx, image), (wy, image), (wx, error), (wy, error), (wi, image), (wi, error))
    for place, (first, second) in zip((0, 1, 2, 3, 4, 7, 8, 9, 10), factors, strict=True):
        torch.mul(first, second, out=products[place])
    torch.mul(weight, error, out=products[11])
    products[13] = weight
    moments, powers = torch.zeros(number, _PRODUCTS, 6), _powers(side)
    for begin, end, power in ((0, 3, 0), (3, 9, 3), (9, 14, 5)):
        sums = powers[power:] @ products[begin:end].reshape((end - begin) * number, -1).T  # in this order, in a third of the time
        moments[:, begin:end, power:] = sums.reshape(6 - power, end - begin, number).permute(2, 1, 0)
    return moments.reshape(number, -1)


_PRODUCTS = 14
_XX, _XY, _YY, _XI, _YI, _X, _Y, _XE, _YE, _II, _IE, _E, _I, _W = (6 * product for product in range(_PRODUCTS))
_BY = torch.tensor([[0, 1, 3], [1, 2, 4], [3, 4, 5]])  # the place of the product of two of x, y and 1 among the powers


def _places_of_equations() -> tuple[Tensor, Tensor]:
    """Where the moments of the matrix of eight unknowns `(8, 8)` and of the right side `(8,)` are."""
    linear = _BY[2]
    borders = torch.stack([torch.cat([linear + one, linear + other]) for one, other in ((_XI, _YI), (_X, _Y))])
    within = torch.cat([torch.cat([_BY + _XX, _BY + _XY], dim=1), torch.cat([_BY + _XY, _BY + _YY], dim=1)])
    corner = torch.tensor([[_II, _I], [_I, _W]]) + 5
    normal = torch.cat([torch.cat([within, borders.T], dim=1), torch.cat([borders, corner], dim=1)])
    return normal, torch.cat([linear + _XE, linear + _YE, torch.tensor([_IE, _E]) + 5])


_NORMAL, _RIGHT = _places_of_equations()


@cache
def _powers(side: int) -> Tensor:
    """x^2, xy, y^2, x, y and 1 at each pixel, `(6, S * S)`."""
    y, x = torch.meshgrid(_places(side), _places(side), indexing="ij")
    return torch.stack([x * x, x * y, y * y, x, y, torch.ones_like(x)]).flatten(1)


@cache
def _scales(side: int) -> Tensor:
    """What turns the sums of `_moments` to those of gradients of coordinates from -1 to 1, `(14 * 6,)`; powers of two."""
    return torch.tensor([side / 4]).pow(torch.tensor([2] * 3 + [1] * 6 + [0] * 5)).repeat_interleave(6)


@cache
def _inner(side: int) -> Tensor:
    """1, and 0 at the edge, which has no gradient, `(S, S)`."""
    return F.pad(torch.ones(side - 2, side - 2), (1, 1, 1, 1))


@cache
def _places(side: int) -> Tensor:
    """The middles of pixels, `(S,)`, -1 to 1."""
    return (torch.arange(side) + 0.5) * 2 / side - 1


def _limited(maps: Tensor) -> Tensor:
    change = maps - torch.eye(2, 3)
    return torch.eye(2, 3) + torch.cat(
        [change[:, :, :2].clamp(-MAX_LINEAR, MAX_LINEAR), change[:, :, 2:].clamp(-MAX_SHIFT, MAX_SHIFT)], dim=2
    )


def _standardised(pictures: Tensor, inside: Tensor, count: Tensor) -> Tensor:
    """Pictures of mean 0 and deviation 1 where they are inside, in so many pixels."""
    within = pictures * inside
    mean = within.sum((1, 2)) / count
    variance = (within * pictures).sum((1, 2)) / count - mean**2  # of evened pictures, whose mean is near 0
    scale = torch.rsqrt(variance.clamp(min=0) + 1e-6)
    return torch.addcmul((-mean * scale)[:, None, None], pictures, scale[:, None, None])
