"""Where training computes, and in what precision."""

import torch

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
