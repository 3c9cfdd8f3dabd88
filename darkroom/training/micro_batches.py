"""Micro-batches: a batch goes through the network in parts whose gradients add up, in more of them where memory is short."""

from collections.abc import Callable

import torch
from torch import Tensor

from darkroom.system.errors import InputError

_SIGNS = ("can't allocate memory", "out of memory", "ALLOC_FAILED")  # in the messages of torch, CUDA, cuBLAS and cuDNN
MIN_IMAGES = 2  # of a part: batch normalisation needs as many


def in_parts(
    num_images: int, num_parts: int, add: Callable[[slice], Tensor], forget: Callable[[], None], *, may_halve: bool = True
) -> tuple[Tensor, int]:
    """Adds up the gradients of a batch; halves its parts until memory suffices for one at a time.

    Args:
        num_images: Images of the batch.
        num_parts: How many parts to begin with, as far as there are images.
        add: Adds a part's gradients to those before it, and gives its loss.
        forget: Sets the gradients to zero.
        may_halve: Whether parts are halved here; else the error that memory is short is left to the caller.

    Returns:
        The sum of the losses, and `num_parts`, or how many parts it took if memory was short.

    Raises:
        InputError: Memory does not even suffice for parts of two images.
    """
    most = max(1, num_images // MIN_IMAGES)
    while True:
        forget()
        try:
            losses = [add(slice(int(rows[0]), int(rows[-1]) + 1)) for rows in torch.arange(num_images).tensor_split(min(num_parts, most))]
            return torch.stack(losses).sum(), num_parts
        except (RuntimeError, MemoryError) as error:
            if not (may_halve and is_out_of_memory(error)):
                raise
        if num_parts >= most:
            raise InputError(too_little(MIN_IMAGES))
        num_parts = min(2 * num_parts, most)
        torch.cuda.empty_cache()


def too_little(num_images: int) -> str:
    """What a person should know where memory does not suffice for so few images."""
    return f"memory does not suffice for {num_images} images a time: lower train.side_px, or set train.model to a smaller network"


def told(batch_size: int, num_parts: int) -> str:
    """What a person should know where memory was short."""
    return f"memory was short: each batch of {batch_size} images went through in {num_parts} parts, at the same rate and as many steps"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(sign in str(error) for sign in _SIGNS)
