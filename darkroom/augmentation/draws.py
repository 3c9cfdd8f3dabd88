"""Which operations of a policy happen to which images of a batch, by random numbers that belong to an image."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from darkroom.augmentation.policy import OPERATIONS, Operation, Policy

NUM_UNIFORMS = 8
PLACES = {name: number for number, name in enumerate(OPERATIONS)}


class Happening(NamedTuple):
    """An operation that happens to some images of a batch.

    Attributes:
        operation: The operation.
        applied: `(N,) bool`: which images get it, one at least.
        uniforms: `(N, NUM_UNIFORMS) float32` in 0..1; the first decides on the strength.
    """

    operation: Operation
    applied: Tensor
    uniforms: Tensor

    @property
    def strengths(self) -> Tensor:
        """`(N,)`, also of images that don't get it."""
        return self.operation.strengths(self.uniforms[:, 0])


Happenings = Mapping[str, Happening]  # by the operation's name


def draw(policy: Policy, num_images: int, generator: torch.Generator) -> Tensor:
    """All the random numbers that augmenting so many images takes: `(N, operations and choices, numbers) float32` in 0..1, on the CPU."""
    rows = policy.num_numbered + policy.num_choices
    return torch.rand(num_images, rows, NUM_UNIFORMS + 1, generator=generator, device=generator.device).cpu()


def own_operations(policy: Policy, draws: Tensor) -> Happenings:
    """What happens of the policy's operations: each to an image or not, whatever else does."""
    operations = [one for one in policy.operations if one.probability > 0]
    numbers = draws[:, [PLACES[one.name] for one in operations]]
    applied = numbers[:, :, 0] < torch.tensor([one.probability for one in operations])
    does = applied.any(dim=0).tolist()
    return {one.name: Happening(one, applied[:, k], numbers[:, k, 1:]) for k, one in enumerate(operations) if does[k]}


def choices(policy: Policy, draws: Tensor) -> Iterator[Happenings]:
    """What happens of the policy's choices, one after the other: to an image, one operation of each at most."""
    limits = torch.tensor([one.probability for one in policy.choices]).cumsum(0)
    for numbers in draws[:, policy.num_numbered :].unbind(dim=1):
        chosen = torch.bucketize(numbers[:, 0].contiguous(), limits, right=True)
        happening = [(policy.choices[place], chosen == place) for place in sorted(set(chosen.tolist())) if place < len(limits)]
        yield {one.name: Happening(one, applied, numbers[:, 1:]) for one, applied in happening}


def rows_of(applied: Tensor, batch: Tensor) -> Tensor:
    """Numbers of the images that get something, `(n,) int64` where the batch is."""
    return applied.nonzero()[:, 0].to(batch.device)


def picked(batch: Tensor, rows: Tensor) -> Tensor:
    """Some images, not to be changed: where they are all, no copy is made."""
    return batch if len(rows) == len(batch) else batch.index_select(0, rows)


def put(batch: Tensor, rows: Tensor, images: Tensor) -> None:
    """Writes images where `picked` took them from."""
    if len(rows) == len(batch):
        batch.copy_(images)
    else:
        batch[rows] = images
