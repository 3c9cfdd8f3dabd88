"""Where training computes, on how many threads, and in what precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from darkroom.networks.bfloat16 import has_bfloat16
from darkroom.system.cores import num_cores
from darkroom.system.errors import InputError

MIN_BFLOAT16_PX = 32  # side of images from which on it saves time on a CPU: at 16 px a step of small_cnn takes as long as in float32


def choose(wanted: str) -> torch.device:
    """The GPU if there is one and it is wanted, else the CPU.

    Raises:
        InputError: A GPU is asked for by name where there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("train.device is 'cuda', but torch sees no GPU here: set it to auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def half_precision(wanted: str, device: torch.device, side_px: int) -> torch.dtype | None:
    """The short type to compute in, or none for 32 bits: `auto` takes bfloat16 where the device has it, else float16 on a GPU.

    On a CPU it does so for images that are large enough for bfloat16 to save time.

    Args:
        wanted: See `darkroom.training.hyperparameters.Precision`.
        device: Where is computed.
        side_px: Of the images.

    Raises:
        InputError: bfloat16 is asked for by name where there are no instructions for it.
    """
    if wanted == "bf16" and not has_bfloat16(device.type):
        what = "GPU" if device.type == "cuda" else "processor"
        raise InputError(f"train.mixed_precision is 'bf16', but this {what} has no instructions for bfloat16: set it to auto")
    if wanted in ("off", "tf32") or (wanted == "auto" and device.type == "cpu" and side_px < MIN_BFLOAT16_PX):
        return None
    if has_bfloat16(device.type):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def short_validation(wanted: str, device: torch.device) -> torch.dtype | None:
    """The short type in which images are validated: that of the steps on a GPU, none on a CPU, where the model is used in float32.

    For arguments and errors see `half_precision`.
    """
    return half_precision(wanted, device, MIN_BFLOAT16_PX) if device.type == "cuda" else None


def precision(wanted: str, device: str, side_px: int) -> str:
    """The name of the type that a network's steps are computed in; for arguments and errors see `half_precision` and `choose`."""
    return str(half_precision(wanted, choose(device), side_px) or torch.float32).removeprefix("torch.")


@contextmanager
def products(wanted: str) -> Iterator[None]:
    """Lets a GPU multiply numbers of 32 bits in TF32, where it has that, while the block runs: unless they are to be float32 throughout.

    Args:
        wanted: See `darkroom.training.hyperparameters.Precision`.
    """
    matrices, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matrices.allow_tf32, convolutions.allow_tf32
    matrices.allow_tf32 = convolutions.allow_tf32 = wanted != "off"
    try:
        yield
    finally:
        matrices.allow_tf32, convolutions.allow_tf32 = before


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
