"""Weights from which a network starts, other than random ones."""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from darkroom.networks.network import last_layer
from darkroom.system.errors import InputError

_AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")  # outputs that only the training of GoogLeNet and Inception has


def load(network: nn.Module, architecture: str, weights: str) -> None:
    """Puts pretrained weights into a network; its last layer stays as it is where the number of classes differs.

    Args:
        network: As `darkroom.networks.network.build` made it; is changed.
        architecture: Its name.
        weights: `DEFAULT` for torchvision's own, or the path of a `.safetensors` or `.pth` file of a state dict.

    Raises:
        InputError: There are no such weights, they can't be read or downloaded, or they belong to another network.
    """
    stored = _torchvision(architecture) if weights == "DEFAULT" else _file(Path(weights))
    head = last_layer(network)[0]
    outer = head.rpartition(".")[0]  # the last layer follows a dropout, which torchvision's network does not have
    own = network.state_dict()
    state = {_own_name(name, own, outer, head): value for name, value in stored.items() if not name.startswith(_AUXILIARY)}
    _resize_positions(state, own)
    dropped = [name for name in (f"{head}.weight", f"{head}.bias") if name in state and state[name].shape != own[name].shape]
    state = {name: value for name, value in state.items() if name not in dropped}
    missing = sorted(set(own) - set(state) - {f"{head}.weight", f"{head}.bias"})
    _check(architecture, weights, state, own, missing)
    network.load_state_dict(state, strict=False)
    print(f"started from {weights}: {len(state)} tensors taken, {len(dropped)} of the last layer dropped for other classes", flush=True)


def _own_name(name: str, own: dict[str, Tensor], outer: str, head: str) -> str:
    prefix, _, last = name.rpartition(".")
    return f"{head}.{last}" if prefix == outer and name not in own else name


def _resize_positions(state: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Interpolates a vision transformer's position embedding for images of another side."""
    name = "encoder.pos_embedding"
    if name in state and name in own and state[name].shape != own[name].shape:
        first, grid = state[name][:, :1], state[name][:, 1:]
        old, new = round(grid.shape[1] ** 0.5), round((own[name].shape[1] - 1) ** 0.5)
        planes = grid.permute(0, 2, 1).reshape(1, -1, old, old)
        planes = nn.functional.interpolate(planes, size=(new, new), mode="bicubic", align_corners=True)
        state[name] = torch.cat([first, planes.flatten(2).permute(0, 2, 1)], dim=1)


def _check(architecture: str, weights: str, state: dict[str, Tensor], own: dict[str, Tensor], missing: list[str]) -> None:
    unknown = sorted(set(state) - set(own))
    misshapen = sorted(name for name in set(state) & set(own) if state[name].shape != own[name].shape)
    for what, names in (("it lacks", missing), ("it also has", unknown), ("of another shape are", misshapen)):
        if names:
            some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            raise InputError(f"train.weights is {weights!r}, which is not {architecture}'s state dict: {what} {some}")


def _torchvision(architecture: str) -> dict[str, Tensor]:
    from torchvision import models

    if architecture == "small_cnn":
        raise InputError("train.weights is 'DEFAULT', but small_cnn has no published weights: leave it empty")
    try:
        best = models.get_model_weights(architecture).DEFAULT
        state: dict[str, Tensor] = best.get_state_dict(progress=False, check_hash=True, weights_only=True)  # also of torch's own cache
    except pickle.UnpicklingError:
        raise InputError(
            f"train.weights is 'DEFAULT', but the file that torch keeps of {architecture}'s weights holds more than tensors; loading it "
            f"could run code: remove it from {torch.hub.get_dir()}/checkpoints"
        ) from None
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"train.weights is 'DEFAULT', but {architecture}'s weights can't be downloaded ({error}): leave it empty, or name a file"
        ) from None
    return state


def _file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"train.weights is {str(path)!r}, which is no file: name a .safetensors or .pth file, or say DEFAULT")
    try:
        state: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(f"train.weights is {str(path)!r}, which holds more than tensors; loading it could run code") from None
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, LookupError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"train.weights is {str(path)!r}, which can't be read: {reason}") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not (isinstance(state, dict) and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items())):
        raise InputError(f"train.weights is {str(path)!r}, which holds no state dict: save network.state_dict() to it")
    return state
