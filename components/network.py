"""The torch side of a model's folder: networks by name, and writing and reading their weights."""

import copy
import warnings
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from components import small_cnn
from darkroom.model import CARD, GRAPH, WEIGHTS, ModelCard, read_card
from darkroom.system.errors import InputError
from darkroom.system.files import whole

OPSET = 18


def build(architecture: str, num_classes: int, *, side_px: int, dropout: float = 0.0) -> nn.Module:
    """Makes a network with fresh weights, drawn from torch's global generator.

    Args:
        architecture: `small_cnn`, or a torchvision classification model's name such as `resnet18`; its last layer is
            replaced.
        num_classes: How many outputs there are.
        side_px: Side of the images; vision transformers are made for one size.
        dropout: Share of the features that is dropped before the last layer while training, 0 to 1.

    Returns:
        A network that maps normalised images, `(N, 3, side_px, side_px) float32`, to logits `(N, num_classes)`.

    Raises:
        InputError: No such architecture, or it can't be made for that size.
    """
    if architecture == "small_cnn":
        return small_cnn.SmallCNN(num_classes, side_px, dropout)
    network = _torchvision(architecture, side_px)
    name, last = last_layer(network)
    if isinstance(last, nn.Conv2d):  # squeezenet
        head: nn.Module = nn.Conv2d(last.in_channels, num_classes, kernel_size=1)
        network.num_classes = num_classes  # type: ignore[assignment]
    else:
        head = nn.Linear(last.in_features, num_classes)
    network.set_submodule(name, nn.Sequential(nn.Dropout(dropout), head))
    return network


def last_layer(network: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """The layer that makes the logits, and its name in the network."""
    layers = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    convolutions = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    return layers[-1] if layers else convolutions[-1]


def save_model(folder: Path, network: nn.Module, card: ModelCard) -> None:
    """Writes a model's folder, whole or not at all; equal weights and cards make equal bytes.

    Args:
        folder: Where the model is to stand.
        network: Maps normalised images to logits; is not changed.
        card: What the network is.
    """
    network = copy.deepcopy(network).cpu().float().eval().to(memory_format=torch.contiguous_format)
    with whole(folder) as draft:
        draft.mkdir()
        card.write(draft / CARD)
        save_file({name: value.detach().clone().contiguous() for name, value in network.state_dict().items()}, draft / WEIGHTS)
        export(draft / GRAPH, network, card)


def load_network(folder: Path) -> tuple[nn.Module, ModelCard]:
    """Reads a model's folder back to torch; a pruned network gets the channels that its weights have.

    Returns:
        The network, ready to predict (`eval`), on the CPU; and its card.

    Raises:
        InputError: The folder holds no model.
    """
    card = read_card(folder)
    network = build(card.architecture, len(card.classes), side_px=card.side_px)
    try:
        state = load_file(folder / WEIGHTS)
        fit_shapes(network, state)
        network.load_state_dict(state)
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder} is no model: its {WEIGHTS} can't be loaded ({reason}); name the folder of another") from None
    return network.eval(), card


def fit_shapes(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Gives every layer the number of channels that stored weights have, in place.

    Args:
        network: As `build` made it.
        state: Weights by name, of the same network, perhaps after channels were pruned.
    """
    for prefix, module in network.named_modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, value in own:
            stored = state.get(f"{prefix}.{name}" if prefix else name)
            if stored is not None and stored.shape != value.shape:
                empty = torch.empty_like(stored)
                setattr(module, name, nn.Parameter(empty) if isinstance(value, nn.Parameter) else empty)
        _note_shape(module)


def _note_shape(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        depthwise = module.groups > 1 and module.groups == module.in_channels
        module.out_channels = module.weight.shape[0]
        module.groups = module.out_channels if depthwise else module.groups
        module.in_channels = module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
        module.num_features = module.weight.shape[0]
    elif isinstance(module, nn.LayerNorm) and module.weight is not None:
        module.normalized_shape = tuple(module.weight.shape)


class _Served(nn.Module):
    """From pictures as they come, `(N, S, S, 3) uint8`, to probabilities `(N, K)`."""

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        super().__init__()
        self.network, self.multilabel = network, card.task == "multilabel"
        self.register_buffer("mean", torch.tensor(card.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(card.std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalises, runs the network, and makes probabilities."""
        batch = images.permute(0, 3, 1, 2).to(torch.float32) / 255.0
        logits: Tensor = self.network((batch - cast(Tensor, self.mean)) / cast(Tensor, self.std))
        return logits.sigmoid() if self.multilabel else logits.softmax(dim=1)


def export(path: Path, network: nn.Module, card: ModelCard) -> None:
    """Writes a network as ONNX, with what comes before and after it, in one file without traces of this machine.

    Args:
        path: The file to write.
        network: On the CPU, in `eval` mode.
        card: Normalisation, task and side.
    """
    example = torch.zeros((2, card.side_px, card.side_px, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        # torch's newer exporter takes ten times as long (4 to 10 s a model) and writes stack traces with paths
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.onnx.*|components\.network")
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]  # sizes are fixed on purpose
        torch.onnx.export(
            _Served(network, card).eval(), (example,), str(path), dynamo=False, opset_version=OPSET,
            input_names=["images"], output_names=["probabilities"],
            dynamic_axes={"images": {0: "num_images"}, "probabilities": {0: "num_images"}},
        )  # fmt: skip
    graph = onnx.load(path)
    graph.doc_string = graph.graph.doc_string = ""
    for node in graph.graph.node:
        node.doc_string = ""
        node.ClearField("metadata_props")
    onnx.save(graph, path)


def _torchvision(architecture: str, side_px: int) -> nn.Module:
    from torchvision import models  # takes seconds to import, and the small network does without

    known = models.list_models(module=models)
    if architecture not in known:
        raise InputError(f"train.architecture is {architecture!r}: known are small_cnn and torchvision's {', '.join(known)}")
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
