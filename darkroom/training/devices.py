"""Where training computes, on how many threads, and in what precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from darkroom.system.cores import num_cores
from darkroom.system.errors import InputError


def choose(wanted: str) -> torch.device:
    """The GPU if there is one and it is wanted, else the CPU.

    Raises:
        InputError: A GPU is asked for by name where there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("train.device is 'cuda', but torch sees no GPU here: set it to auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def half_precision(wanted: str, device: torch.device) -> torch.dtype | None:
    """The short type to compute in on a GPU, bfloat16 where it has that, or none for float32 throughout."""
    if wanted == "off" or device.type == "cpu":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


@contextmanager
def threads(number: int | str) -> Iterator[None]:
    """Lets torch compute on so many threads while the block runs.

    Args:
        number: How many; `auto` (0 in cards of earlier releases) for the cores that the process was given.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(int(number) if number not in ("auto", 0) else num_cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)
