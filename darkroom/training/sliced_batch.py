"""A forward pass over a slice of a batch that equals the whole batch's: shared statistics of batch normalisation, the same dropout.

Networks of every origin call the same few functions for these, which are replaced while a slice goes through.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class SlicedBatch(TorchFunctionMode):
    """While it is entered, batch normalisation in training uses the statistics of the whole batch, and dropout its random numbers.

    Args:
        rank: This process's number.
        size: How many processes there are.
        rows: Which rows of the batch are here.
        num_rows: Of the batch.
    """

    def __init__(self, rank: int, size: int, rows: slice, num_rows: int) -> None:
        super().__init__()
        self._rank, self._size, self._rows, self._num_rows = rank, size, rows, num_rows

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Replaces the functions whose result for an image depends on the batch."""
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return self._batch_norm(*args, **kwargs)
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        if func is Tensor.bernoulli_ and len(args[0]) == self._rows.stop - self._rows.start:
            drawn = self._wide(args[0]).bernoulli_(*args[1:], **kwargs)
            return args[0].copy_(drawn[self._rows])
        return func(*args, **kwargs)

    def _wide(self, values: Tensor) -> Tensor:
        return values.new_empty(self._num_rows, *values.shape[1:])

    def _dropout(self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0 or len(values) != self._rows.stop - self._rows.start:
            return F.dropout(values, p, training, inplace)
        kept = self._wide(values).bernoulli_(1 - p).div_(1 - p)
        return values * kept[self._rows]

    def _batch_norm(
        self,
        values: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return F.batch_norm(values, running_mean, running_var, weight, bias, training, momentum, eps)
        wide = values.float()
        mean, variance, number = self._statistics(wide)
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.lerp_(mean.to(running_mean), momentum)
                running_var.lerp_((variance * number / (number - 1).clamp_min(1)).to(running_var), momentum)
        shape = (1, -1, *[1] * (values.ndim - 2))
        scale = torch.rsqrt(variance + eps) * (1 if weight is None else weight)
        shift = (0 if bias is None else bias) - mean * scale
        return torch.addcmul(shift.view(shape), wide, scale.view(shape)).to(values.dtype)

    def _statistics(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance `(C,)` over all processes, and how many numbers of a channel there are.

        Source: Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample Variance".
        """
        axes = [axis for axis in range(values.ndim) if axis != 1]
        variance, mean = torch.var_mean(values, axes, correction=0)
        count = torch.full_like(mean, values.numel() // values.shape[1])
        own = F.one_hot(torch.tensor(self._rank, device=values.device), self._size)
        means, squares, counts = _Sum.apply(own[:, None, None] * torch.stack([mean, variance * count, count])).unbind(1)
        total = counts.sum(0)
        mean = (counts * means).sum(0) / total
        variance = (squares + counts * (means - mean).square()).sum(0) / total
        return mean, variance, total


class _Sum(torch.autograd.Function):
    """The sum over all processes, and its derivative."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Adds up."""
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Every process's loss depends on this process's values."""
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total
