"""The processes that train one network together: whose part of a batch is whose, and what they add up.

Each process computes the gradients of its slice of every batch as parts of the whole batch's; their sum is what one process would
compute. A training in one process is a world of one, to which nothing is done.
"""

import dataclasses
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from darkroom.training.sliced_batch import SlicedBatch

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class World:
    """One process among those of a training.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        min_parts: In so many parts each batch goes through at least, as memory was short with fewer.
    """

    rank: int = 0
    size: int = 1
    min_parts: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all of them know."""
        return self.rank == 0

    def share(self, part: slice) -> slice:
        """This process's share of some rows: the shares follow each other, and their sizes differ by one at most."""
        start, number = part.start, part.stop - part.start
        return slice(start + number * self.rank // self.size, start + number * (self.rank + 1) // self.size)

    def slicing(self, part: slice) -> AbstractContextManager[object]:
        """Lets networks see this process's share of a batch, or of a part of it, as a share: for the forward pass in training."""
        if self.size == 1:
            return nullcontext()
        share = self.share(part)
        return SlicedBatch(self.rank, self.size, slice(share.start - part.start, share.stop - part.start), part.stop - part.start)

    def add_up(self, values: Iterable[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes, which is the same in each."""
        if self.size == 1:
            return
        kinds: dict[torch.dtype, list[Tensor]] = {}
        for value in values:
            kinds.setdefault(value.dtype, []).append(value)
        for some in kinds.values():
            flat = torch.cat([value.reshape(-1) for value in some])
            dist.all_reduce(flat)
            for value, part in zip(some, torch.split(flat, [value.numel() for value in some]), strict=True):
                value.copy_(part.view_as(value))

    def collect(self, rows: Tensor, number: int) -> Tensor:
        """All rows `(number, ...)`, of which each process gives its share."""
        if self.size == 1:
            return rows
        whole = rows.new_zeros(number, *rows.shape[1:])
        whole[self.share(slice(0, number))] = rows
        dist.all_reduce(whole)
        return whole

    def agree(self, value: T) -> T:
        """The value of the first process."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]
