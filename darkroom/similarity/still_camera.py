"""A camera that does not move: pictures whose background is the same, but not what stands before it.

A picture with many look-alikes is compared with their median, which is the background. What is in front of it must be the same, too.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from darkroom.similarity.confirmation import GREY_PX, Confirmed, Pictures
from darkroom.similarity.filters import blurred, evened
from darkroom.training import devices

MIN_ALIKE, MAX_ALIKE = 8, 32  # look-alikes from which on their median is taken for the background, and of which it is taken
_SIGMA, _NOISE = 8.0, 4.0  # what is local, in pixels, and contrast that is not raised, in grey levels
_LEAST_SPREAD = 0.15  # of an even picture, from compression alone
_FAR = 4.0  # spreads of the look-alikes by which what is in front differs from them
_MOVED_PX, _EDGE_PX = 3, 4  # copies are cut out and turned: by so much the background may be moved, and so much of the edge may be filled
_LEAST_SHARE = 0.005  # of the picture that must differ for it to show anything in front
_ALIKE = 0.5  # correlation of what is in front, from which on it is the same

Grey = npt.NDArray[np.uint8]


def same_in_front(found: Confirmed, pictures: Pictures) -> Confirmed:
    """Leaves out the pairs of pictures with many look-alikes that differ in what is in front of their common background.

    Args:
        found: Pairs that show the same.
        pictures: Gives the grey pictures of some rows; is asked for those with many look-alikes and for these.
    """
    alike: dict[int, list[int]] = defaultdict(list)
    for number, pair in enumerate(found.pairs.tolist()):
        for row in pair:
            alike[row].append(number)
    hubs = {row: np.array(numbers) for row, numbers in alike.items() if len(numbers) >= MIN_ALIKE}
    kept = np.ones(len(found.pairs), bool)
    if not hubs:
        return found
    shown = np.unique(found.pairs[np.concatenate(list(hubs.values()))])
    seen = pictures(shown, GREY_PX)
    with devices.threads(1):
        for row, numbers in sorted(hubs.items()):
            others = found.pairs[numbers].sum(1) - row
            places = np.searchsorted(shown, np.append(row, others))
            kept[numbers[_differ(torch.from_numpy(seen[places].astype(np.float32)))]] = False
    return Confirmed(found.pairs[kept], found.correlations[kept])


def _differ(pictures: Tensor) -> npt.NDArray[np.bool_]:
    """Which of the later pictures `(N + 1, S, S)` have something else in front of the common background than the first, `(N,) bool`."""
    even = evened(pictures, _SIGMA, _NOISE)
    background = even[:MAX_ALIKE].median(0).values
    highest, lowest = _around(background), -_around(-background)  # what the background is at a place, moved a little
    beyond = (even - highest).clamp(min=0) + (lowest - even).clamp(min=0)
    spread = 1.4826 * beyond[:MAX_ALIKE].median(0).values
    front = blurred(beyond, 1.0) > _FAR * blurred(spread[None], 1.0).clamp(min=_LEAST_SPREAD)
    front = F.pad(front[:, _EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX].float(), (_EDGE_PX,) * 4)
    either, away = torch.maximum(front[:1], front[1:]), even - background
    first, second = away[:1] * either, away[1:] * either
    correlation = (first * second).sum((1, 2)) / (first.square().sum((1, 2)) * second.square().sum((1, 2))).sqrt().clamp(min=1e-6)
    found: npt.NDArray[np.bool_] = ((either.mean((1, 2)) > _LEAST_SHARE) & (correlation < _ALIKE)).numpy()
    return found


def _around(picture: Tensor) -> Tensor:
    """The largest value near each place of a picture `(S, S)`."""
    return F.max_pool2d(picture[None, None], 2 * _MOVED_PX + 1, 1, _MOVED_PX)[0, 0]
