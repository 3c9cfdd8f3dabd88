"""The operations of a policy, on batches of images: each image draws its own, none is touched that drew none.

Used three times: on the fly in training, for the copies that balance classes, and for the contact sheet. An image is mirrored
and resampled, then changed by what it drew of the policy's choices, one after the other, then its colours and values change.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from darkroom.augmentation.draws import Happenings, choices, draw, own_operations, picked, put, rows_of
from darkroom.augmentation.geometry import BUILDERS, matrices, warp
from darkroom.augmentation.jpeg import through_jpeg
from darkroom.augmentation.photometry import add_noise, erase, recolour
from darkroom.augmentation.policy import Policy
from darkroom.augmentation.smoothing import blur, sharpen
from darkroom.augmentation.tones import autocontrast, equalize, posterize, solarize

CACHED_VALUES = 2**18  # a CPU goes through a batch in parts that stay in its cache: 9 images of 96 px
Change = Callable[[Tensor, Tensor, Tensor], Tensor]  # images, their strengths and further numbers, to images
CHANGES: Mapping[str, Change] = {  # in the order in which they happen
    "sharpness": sharpen,
    "posterize": posterize,
    "solarize": solarize,
    "autocontrast": autocontrast,
    "equalize": equalize,
    "blur": blur,
    "noise": add_noise,
    "jpeg": through_jpeg,
    "erasing": erase,
}


def apply(policy: Policy, batch: Tensor, generator: torch.Generator) -> Tensor:
    """Augments a batch; an image's own geometry is one resampling, its colours one matrix.

    Args:
        policy: What may happen to an image.
        batch: `(N, 3, H, W) float32` in 0..1, or `uint8`, on any device; left as it was.
        generator: Source of all randomness.

    Returns:
        A new `(N, 3, H, W) float32` tensor in 0..1; images that drew no operation are equal bit by bit.
    """
    return apply_drawn(policy, batch, draw(policy, len(batch), generator))


def apply_drawn(policy: Policy, batch: Tensor, draws: Tensor) -> Tensor:
    """Augments images, each by its own random numbers: whichever other images are beside it changes nothing.

    Args:
        policy: What may happen to an image.
        batch: As `apply` takes it.
        draws: Of these images, see `darkroom.augmentation.draws`.

    Returns:
        As `apply` does.
    """
    result = torch.empty(batch.shape, device=batch.device)
    step = max(1, CACHED_VALUES // batch[:1].numel()) if batch.device.type == "cpu" and len(batch) else max(1, len(batch))
    for part, given, drawn in zip(*(torch.split(values, step) for values in (result, batch, draws)), strict=True):
        part.copy_(given)
        if given.dtype == torch.uint8:
            part.div_(255)
        _augment(policy, part, drawn)
    return result


def _augment(policy: Policy, batch: Tensor, draws: Tensor) -> None:
    own = own_operations(policy, draws)
    _reshape(batch, own)
    for chosen in choices(policy, draws):
        _reshape(batch, chosen)
        _change(batch, chosen)
    _change(batch, own)


def _reshape(batch: Tensor, happenings: Happenings) -> None:
    """Mirrors and resamples, in place."""
    for name, axis in (("horizontal_flip", 3), ("vertical_flip", 2)):
        if name in happenings:
            rows = rows_of(happenings[name].applied, batch)
            put(batch, rows, picked(batch, rows).flip(axis))
    composed = matrices(happenings, aspect=batch.shape[3] / batch.shape[2])
    if composed is None:
        return
    warped = torch.stack([one.applied for name, one in happenings.items() if name in BUILDERS]).any(dim=0)
    rows = rows_of(warped, batch)
    put(batch, rows, warp(picked(batch, rows), composed[warped].to(batch.device)))


def _change(batch: Tensor, happenings: Happenings) -> None:
    """Changes colours, then values, in place."""
    recolour(batch, happenings)
    for name, change in CHANGES.items():
        if name in happenings:
            one = happenings[name]
            rows = rows_of(one.applied, batch)
            put(batch, rows, change(picked(batch, rows), one.strengths[one.applied], one.uniforms[one.applied]))
