"""Weights from which a network starts, other than random ones."""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from darkroom import pretrained_weights
from darkroom.model import CARD, read_card
from darkroom.named_weights import path_of
from darkroom.networks import local_network
from darkroom.networks.architectures import LOCAL, TIMM, is_timm
from darkroom.networks.network import last_layer
from darkroom.networks.pretrained import MEAN, PACKAGED, STD, packaged_state
from darkroom.networks.published import published_input
from darkroom.networks.small_cnn import SmallCNN
from darkroom.preprocessing.settings import Normalise
from darkroom.system.errors import InputError

AUTO, DEFAULT, RANDOM = "auto", "DEFAULT", ""
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
_FIXED: dict[str, Normalisation] = {"unit": ((0.0,) * 3, (1.0,) * 3), "symmetric": ((0.5,) * 3, (0.5,) * 3)}
_AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")  # outputs that only the training of GoogLeNet and Inception has


def is_pretrained(architecture: str, weights: str) -> bool:
    """Whether a training does not start from random weights; for arguments see `load`."""
    return _packaged(architecture) in PACKAGED if weights == AUTO else weights != RANDOM


def is_fine_tuned(architecture: str, weights: str) -> bool:
    """Whether a network starts from weights that others have learnt, and is large enough to gain from their layers."""
    return is_pretrained(architecture, weights) and architecture != "small_cnn"


def normalisation(architecture: str, weights: str) -> Normalisation | None:
    """Mean and standard deviation of each channel, 0 to 1, that the weights were trained with; none where they are not known.

    Those of a file stand beside it, where it belongs to the folder of a model or of pretrained weights.
    """
    folder = path_of(weights).parent
    if weights not in (AUTO, DEFAULT, RANDOM) and (folder / CARD).is_file():
        card = read_card(folder)
        return card.mean, card.std
    if weights not in (AUTO, DEFAULT, RANDOM) and (folder / pretrained_weights.CARD).is_file():
        learnt = pretrained_weights.read_pretrained(folder)
        return learnt.mean, learnt.std
    if _packaged(architecture) in PACKAGED and weights != RANDOM:
        return MEAN, STD
    return published_input(architecture)[1:] if weights == DEFAULT else None


def normalisation_of(wanted: Normalise, architecture: str, weights: str) -> Normalisation | None:
    """Mean and standard deviation of each channel, 0 to 1, that inputs are normalised with; none for those of the training images.

    Args:
        wanted: As `train.normalise` says it.
        architecture: The network.
        weights: What it starts from.

    Raises:
        InputError: Those of the weights are asked for, and they are not known.
    """
    if wanted in _FIXED:
        return _FIXED[wanted]
    known = normalisation(architecture, weights) if wanted != "data" else None
    if wanted == "weights" and known is None:
        raise InputError(f"train.normalise is weights, and it is not known how inputs of {architecture} were normalised: set it to data")
    return known


def load(network: nn.Module, architecture: str, weights: str) -> bool:
    """Puts weights into a network; its last layer stays as it is where the number of classes differs.

    Args:
        network: As `darkroom.networks.network.build` made it; is changed.
        architecture: Its name, as `canonical` gives it.
        weights: `auto` for the packaged weights where there are some, else random ones; empty for random ones; `DEFAULT` for
            those that the network's library publishes; or the path of a `.safetensors` or `.pth` file of a state dict.

    Returns:
        Whether the last layer still has random weights.

    Raises:
        InputError: There are no such weights, they can't be read or downloaded, or they belong to another network.
    """
    if not is_pretrained(architecture, weights):
        return True
    stored = _stored(architecture, weights)
    if isinstance(network, SmallCNN):
        network.take_stages(stored)
    head = last_layer(network)[0]
    outer = head.rpartition(".")[0]  # the last layer follows a dropout, which torchvision's network does not have
    own = network.state_dict()
    state = {_own_name(name, own, outer, head): value for name, value in stored.items() if not name.startswith(_AUXILIARY)}
    _resize_positions(network, state, own)
    dropped = [name for name in (f"{head}.weight", f"{head}.bias") if name in state and state[name].shape != own[name].shape]
    state = {name: value for name, value in state.items() if name not in dropped}
    counters = {name for name in own if name.endswith(".num_batches_tracked")}  # of batch normalisation; older files lack them
    fresh = {name for name in own if architecture == LOCAL and weights in (AUTO, DEFAULT) and name.startswith(local_network.FRESH)}
    missing = sorted(set(own) - set(state) - {f"{head}.weight", f"{head}.bias"} - counters - fresh)
    _check(architecture, weights, state, own, missing)
    network.load_state_dict(state, strict=False)
    source = f"the packaged weights of {architecture}" if weights == AUTO else weights
    print(f"started from {source}: {len(state)} tensors taken, {len(dropped)} of the last layer dropped for other classes", flush=True)
    return f"{head}.weight" not in state


def _packaged(architecture: str) -> str:
    """The network whose packaged weights an architecture starts from, if there are any."""
    return local_network.ORIGIN if architecture == LOCAL else architecture


def _own_name(name: str, own: dict[str, Tensor], outer: str, head: str) -> str:
    prefix, _, last = name.rpartition(".")
    return f"{head}.{last}" if prefix == outer and name not in own else name


def _resize_positions(network: nn.Module, state: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Interpolates a vision transformer's position embedding for images of another side."""
    for name in ("encoder.pos_embedding", "pos_embed"):  # torchvision's, timm's
        if name in state and name in own and state[name].shape != own[name].shape and state[name].ndim == own[name].ndim == 3:
            num_prefix = 0 if getattr(network, "no_embed_class", False) else int(getattr(network, "num_prefix_tokens", 1))
            state[name] = _resized(state[name], own[name].shape[1], num_prefix)


def _resized(positions: Tensor, number: int, num_prefix: int) -> Tensor:
    """A position embedding `(1, N, D)` for another number of tokens, the first of which stand for no place."""
    first, grid = positions[:, :num_prefix], positions[:, num_prefix:]
    old, new = round(grid.shape[1] ** 0.5), round((number - num_prefix) ** 0.5)
    if old**2 != grid.shape[1] or new**2 != number - num_prefix:
        return positions  # not of square pictures: the caller tells the shapes
    planes = grid.permute(0, 2, 1).reshape(1, -1, old, old)
    planes = nn.functional.interpolate(planes, size=(new, new), mode="bicubic", align_corners=True)
    return torch.cat([first, planes.flatten(2).permute(0, 2, 1)], dim=1)


def _check(architecture: str, weights: str, state: dict[str, Tensor], own: dict[str, Tensor], missing: list[str]) -> None:
    """Refuses weights of another network; prints every layer that differs, and names the first ones in the message."""
    unknown = sorted(set(state) - set(own))
    misshapen = [name for name in own if name in state and state[name].shape != own[name].shape]
    shapes = [f"{name} ({_shape(state[name])} instead of {_shape(own[name])})" for name in misshapen]
    differences = [
        (what, names) for what, names in (("it lacks", missing), ("it also has", unknown), ("of another shape are", shapes)) if names
    ]
    if not differences:
        return
    for what, names in differences:
        print(f"{weights}: {what}", *names, sep="\n  ", flush=True)
    what, names = differences[0]
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    remedy = "name the network that they are of in train.model, or other weights"
    raise InputError(f"train.weights is {weights!r}, which is not {architecture}'s state dict: {what} {some}; {remedy}")


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "a number"


def _stored(architecture: str, weights: str) -> dict[str, Tensor]:
    if weights not in (AUTO, DEFAULT):
        return _file(path_of(weights))
    if architecture == LOCAL:
        return local_network.first_stages(packaged_state(local_network.ORIGIN))
    if weights == AUTO:
        return dict(packaged_state(architecture))
    return _of_timm(architecture) if is_timm(architecture) else _of_torchvision(architecture)


def _of_timm(architecture: str) -> dict[str, Tensor]:
    import timm

    if architecture in PACKAGED:
        return dict(packaged_state(architecture))
    try:
        state: dict[str, Tensor] = timm.create_model(architecture.removeprefix(TIMM), pretrained=True).state_dict()
    except Exception as error:  # the hub's client raises errors of many libraries
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"train.weights is 'DEFAULT', but {architecture}'s weights can't be downloaded ({reason}): leave it empty, or name a file"
        ) from None
    return state


def _of_torchvision(architecture: str) -> dict[str, Tensor]:
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
        remedy = "save network.state_dict() alone, best as .safetensors"
        raise InputError(f"train.weights is {str(path)!r}, which holds more than tensors; loading it could run code: {remedy}") from None
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, LookupError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"train.weights is {str(path)!r}, which can't be read ({reason}): copy or save it again") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not (isinstance(state, dict) and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items())):
        raise InputError(f"train.weights is {str(path)!r}, which holds no state dict: save network.state_dict() to it")
    return state
