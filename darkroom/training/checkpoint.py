"""The checkpoint of a training: everything that the next epoch depends on."""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch

from darkroom.system.files import whole

NAME = "training.pt"
_DIGEST_BYTES = hashlib.sha256().digest_size


def save(folder: Path, state: dict[str, Any]) -> None:
    """Writes a state, whole or not at all, with its digest before it.

    Args:
        folder: Where checkpoints are.
        state: Tensors, numbers, strings, and lists and dictionaries of these.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with whole(folder / NAME) as draft:
        draft.write_bytes(hashlib.sha256(buffer.getbuffer()).digest() + buffer.getvalue())


def load(folder: Path, meaning: dict[str, Any]) -> dict[str, Any] | None:
    """Reads a state, if there is one that is whole and of the same training; prints why where it is not used.

    Args:
        folder: Where checkpoints are.
        meaning: What the state's entry `meaning` must equal.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    data = path.read_bytes()
    if hashlib.sha256(data[_DIGEST_BYTES:]).digest() != data[:_DIGEST_BYTES]:
        print(f"the checkpoint {path} is damaged: training starts from the beginning", flush=True)
        return None
    try:
        state: Any = torch.load(io.BytesIO(data[_DIGEST_BYTES:]), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, LookupError, EOFError):
        print(
            f"the checkpoint {path} holds more than tensors and numbers: it is not loaded, training starts from the beginning", flush=True
        )
        return None
    if not isinstance(state, dict) or state.get("meaning") != meaning:
        print(f"the checkpoint {path} belongs to another training: this one starts from the beginning", flush=True)
        return None
    return state
