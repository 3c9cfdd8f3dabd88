"""Backbones by name, and from weights that the user names."""

import difflib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import nn

from darkroom.embeddings import Origin
from darkroom.model import CARD, WEIGHTS, read_card
from darkroom.named_weights import path_of
from darkroom.networks import weights as stored
from darkroom.networks.architectures import AUTO, HANDCRAFTED, SHORT, canonical
from darkroom.networks.export import fit_shapes, load_network
from darkroom.networks.handcrafted import handcrafted_backbone
from darkroom.networks.network import build, without_last_layer
from darkroom.networks.pretrained import Backbone, packaged_backbone
from darkroom.networks.published import published_input
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError

OWN_WEIGHTS = "backbone.safetensors"  # in a folder of embeddings, where the user named the weights


def backbone_of(name: str, weights: str = "") -> Backbone:
    """A backbone with its weights.

    Args:
        name: `handcrafted`; `lite0`, `lite1` or `lite2`, whose weights are packages; or any network of torchvision or timm.
        weights: Empty for the packaged ones; the file of a state dict, `.safetensors` or `.pth`; or a model's folder, where `name`
            may be `auto`.

    Raises:
        InputError: There is no such network, it comes without weights, or these are another network's.
    """
    if name == HANDCRAFTED and not weights:
        return handcrafted_backbone()
    if name in SHORT and not weights:
        return packaged_backbone(SHORT[name])
    path = path_of(weights)
    folder = path if (path / CARD).is_file() else path.parent
    if weights and (folder / CARD).is_file():
        return _of_model(name, folder)
    _check_name(name)
    if not weights:
        raise InputError(f"embed.backbone is {name!r}, which comes without weights: name a file or a model's folder in embed.weights")
    return _of_file(canonical(name), weights)


def weights_file(backbone: Backbone) -> bytes:
    """A backbone that the user's own weights made, as a file: what comes after `embed` can't know where these were."""
    about = {"mean": json.dumps(backbone.mean), "std": json.dumps(backbone.std)}
    return save({name: value.contiguous() for name, value in backbone.network.state_dict().items()}, about)


def embedding_backbone(folder: Path, origin: Origin) -> Backbone:
    """The backbone that made some embeddings.

    Args:
        folder: Of the embeddings.
        origin: Theirs.

    Raises:
        InputError: It was a packaged one, and its package is not installed any more.
    """
    if not (folder / OWN_WEIGHTS).is_file():
        return backbone_of(origin.backbone)
    state = load_file(folder / OWN_WEIGHTS)
    network = trunk_of(origin.backbone, origin.recipe.side_px, state)
    fit_shapes(network, state)
    network.load_state_dict(state)
    with safe_open(folder / OWN_WEIGHTS, "pt") as file:
        mean, std = (tuple(json.loads(file.metadata()[name])) for name in ("mean", "std"))
    network = network.eval().requires_grad_(False)
    return Backbone(origin.backbone, network, origin.num_features, origin.recipe, mean, std, origin.weights_sha256)


def trunk_of(name: str, side_px: int, weights: Iterable[str]) -> nn.Module:
    """A network without its last layer, with random weights.

    Args:
        name: A network that `darkroom.networks.network.build` makes.
        side_px: Side of the images.
        weights: Names of those that it is to take.
    """
    with torch.random.fork_rng(devices=[]):
        return without_last_layer(build(name, 2, side_px=side_px, weights=weights))


def _check_name(name: str) -> None:
    """Raises `InputError` unless a network of that name can be built."""
    if name in SHORT or name in SHORT.values():
        return
    known = [HANDCRAFTED, *SHORT]
    if name in (AUTO, HANDCRAFTED):
        raise InputError(f"embed.weights is set, but embed.backbone is {name!r}: name the network that the weights belong to")
    try:
        canonical(name)
    except InputError:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}, and what torchvision and timm have"
        raise InputError(f"embed.backbone is {name!r}, which is no backbone: {hint}") from None


def _of_model(name: str, folder: Path) -> Backbone:
    """The trunk of a model that Darkroom trained, with that model's own recipe."""
    card = read_card(folder)
    if SHORT.get(name, name) not in (AUTO, card.architecture):
        raise InputError(f"embed.backbone is {name!r}, but the model in {folder} is {card.architecture}: set it to auto")
    network, _ = load_network(folder)
    return _backbone(card.architecture, network, card.recipe, (card.mean, card.std), folder / WEIGHTS)


def _of_file(name: str, weights: str) -> Backbone:
    """A published network with weights from a file, and the recipe that it was published with."""
    if not Path(weights).is_file():
        raise InputError(f"embed.weights is {weights!r}, which is no file: name a .safetensors or .pth file, or a model's folder")
    recipe, mean, std = published_input(name)
    network = build(name, 2, side_px=recipe.side_px)
    try:
        stored.load(network, name, weights)
    except InputError as error:  # the sentence of `train`, under this setting's name
        raise InputError(str(error).replace("train.weights", "embed.weights")) from None
    return _backbone(name, network, recipe, (mean, std), Path(weights))


def _backbone(
    name: str, network: nn.Module, recipe: Recipe, normalisation: tuple[tuple[float, ...], tuple[float, ...]], weights: Path
) -> Backbone:
    """A classifier without its last layer, frozen."""
    network = without_last_layer(network).eval().requires_grad_(False)
    with torch.inference_mode():
        num_features = network(torch.zeros(1, 3, recipe.side_px, recipe.side_px)).shape[1]
    return Backbone(name, network, num_features, recipe, *normalisation, hashlib.sha256(weights.read_bytes()).hexdigest())
