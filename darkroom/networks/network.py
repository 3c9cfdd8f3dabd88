"""Networks by name, with fresh weights."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from darkroom.networks import local_network, small_cnn
from darkroom.networks.architectures import HANDCRAFTED, LOCAL, TIMM, canonical, is_timm
from darkroom.networks.families import parts_of
from darkroom.networks.handcrafted import handcrafted_backbone
from darkroom.networks.probe import Probe
from darkroom.networks.same_padding import with_constant_padding
from darkroom.system.errors import InputError


def build(architecture: str, num_classes: int, *, side_px: int, dropout: float = 0.0, weights: Iterable[str] = ()) -> nn.Module:
    """Makes a network with fresh weights, drawn from torch's global generator.

    Args:
        architecture: A name as `darkroom.networks.architectures.canonical` takes it; the last layer is replaced.
        num_classes: How many outputs there are.
        side_px: Side of the images; vision transformers are made for one size.
        dropout: Share of the features that is dropped before the last layer while training, 0 to 1.
        weights: Names of those that it is to take: a small network has as many stages as these, which an earlier version made.

    Returns:
        A network that maps normalised images, `(N, 3, side_px, side_px) float32`, to logits `(N, num_classes)`.

    Raises:
        InputError: No such architecture, or it can't be made for that size.
    """
    if parts := parts_of(architecture):
        return _probe(parts[1], num_classes, side_px, weights)
    architecture = canonical(architecture)
    if architecture == "small_cnn":
        small = small_cnn.SmallCNN(num_classes, side_px, dropout)
        small.take_stages(weights)
        return small
    if architecture == LOCAL:
        return local_network.LocalNetwork(num_classes, side_px, dropout)
    if is_timm(architecture):
        return _timm(architecture, num_classes, side_px, dropout)
    network = _torchvision(architecture, side_px)
    name, last = last_layer(network)
    if isinstance(last, nn.Conv2d):  # squeezenet
        head: nn.Module = nn.Conv2d(last.in_channels, num_classes, kernel_size=1)
        network.num_classes = num_classes  # type: ignore[assignment]
    else:
        head = nn.Linear(last.in_features, num_classes)
    network.set_submodule(name, nn.Sequential(nn.Dropout(dropout), head))
    return network


def _probe(backbone: str, num_classes: int, side_px: int, weights: Iterable[str]) -> nn.Module:
    """A probe, into which the weights of a bundle are loaded, those of its backbone among them."""
    if backbone == HANDCRAFTED:
        made = handcrafted_backbone()
        return Probe(made.network, made.num_features, num_classes)
    network = build(backbone, 2, side_px=side_px, weights=[name.removeprefix("backbone.") for name in weights])
    last = last_layer(network)[1]
    num_features = last.in_features if isinstance(last, nn.Linear) else last.in_channels
    return Probe(without_last_layer(network).eval(), num_features, num_classes)


def without_last_layer(network: nn.Module) -> nn.Module:
    """A classifier, changed into one that gives the features from which it made its logits."""
    network.set_submodule(last_layer(network)[0], nn.Identity())
    return network


def last_layer(network: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """The layer that makes the logits, and its name in the network."""
    if (name := getattr(network, "default_cfg", {}).get("classifier")) and isinstance(name, str):  # timm's
        return name, network.get_submodule(name)  # type: ignore[return-value]
    layers = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    convolutions = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    return layers[-1] if layers else convolutions[-1]


def _timm(architecture: str, num_classes: int, side_px: int, dropout: float) -> nn.Module:
    import timm  # takes seconds to import, and the small network does without

    name = architecture.removeprefix(TIMM)
    options: dict[str, Any] = {"num_classes": num_classes, "drop_rate": dropout}
    try:
        if (known := timm.get_pretrained_cfg(name)) and known.fixed_input_size:
            options["img_size"] = side_px
        network: nn.Module = timm.create_model(name, pretrained=False, **options)
        network = with_constant_padding(network.eval(), side_px).train()
    except (AssertionError, ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"train.side_px is {side_px}: {architecture} can't be made for it ({error}); try 224") from None
    return network


def _torchvision(architecture: str, side_px: int) -> nn.Module:
    from torchvision import models  # takes seconds to import, and the small network does without

    options: dict[str, Any] = {}
    if architecture.startswith("vit_"):
        options = {"image_size": side_px}
    elif architecture.startswith("maxvit"):
        options = {"input_size": (side_px, side_px)}
    elif architecture in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    try:
        network: nn.Module = models.get_model(architecture, weights=None, **options)
    except (AssertionError, ValueError, RuntimeError) as error:
        raise InputError(f"train.side_px is {side_px}: {architecture} can't be made for it ({error}); try 224") from None
    return network
