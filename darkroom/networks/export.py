"""The torch side of a model's folder: networks by name, and writing and reading their weights."""

import copy
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.onnx import symbolic_helper

from darkroom.model import CARD, GRAPH, WEIGHTS, ModelCard, read_card
from darkroom.networks.families import is_classical
from darkroom.networks.mirrored import MirroredMean
from darkroom.networks.network import build
from darkroom.networks.same_padding import PaddedConv2d
from darkroom.system.errors import InputError
from darkroom.system.files import whole

OPSET = 18
_EXPORTING = threading.Lock()  # torch exports one network at a time


def save_model(folder: Path, network: nn.Module, card: ModelCard) -> None:
    """Writes a model's folder, whole or not at all; equal weights and cards make equal bytes.

    Args:
        folder: The model's folder.
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
    if is_classical(card.architecture):
        raise InputError(f"{folder} holds {card.architecture}, which is no network: name the folder of a network or a probe")
    try:
        state = load_file(folder / WEIGHTS)
        network = build(card.architecture, len(card.classes), side_px=card.side_px, weights=state)
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
        values = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, value in values:
            stored = state.get(f"{prefix}.{name}" if prefix else name)
            if stored is not None and stored.shape != value.shape:
                empty = torch.empty_like(stored)
                setattr(module, name, nn.Parameter(empty) if isinstance(value, nn.Parameter) else empty)
        _update_sizes(module)


def _update_sizes(module: nn.Module) -> None:
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


class _ServedNetwork(nn.Module):
    """The network as it is served: from images `(N, S, S, 3) uint8` to probabilities `(N, K)`."""

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        super().__init__()
        self.network = MirroredMean(network) if card.mirrored else network
        self.multilabel = card.task == "multilabel"
        self.register_buffer("mean", torch.tensor(card.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(card.std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalises, runs the network, and makes probabilities."""
        batch = images.permute(0, 3, 1, 2).to(torch.float32) / 255.0
        logits: Tensor = self.network((batch - cast(Tensor, self.mean)) / cast(Tensor, self.std))
        return logits.sigmoid() if self.multilabel else logits.softmax(dim=1)


@contextmanager
def _constant_padding(network: nn.Module) -> Iterator[None]:
    """Lets convolutions that pad unequally be exported with one node for the padding: torch's own way takes nine."""
    if not any(isinstance(module, PaddedConv2d) for module in network.modules()):
        yield
        return
    torch.onnx.register_custom_op_symbolic("aten::pad", _pad_node, OPSET)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic("aten::pad", OPSET)  # type: ignore[attr-defined]


def _pad_node(graph: Any, images: Any, pad: Any, mode: Any, value: Any) -> Any:
    left, right, top, bottom = symbolic_helper._get_const(pad, "is", "pad")  # type: ignore[no-untyped-call]
    pads = torch.tensor([0, 0, top, left, 0, 0, bottom, right])
    return graph.op("Pad", images, graph.op("Constant", value_t=pads), mode_s="constant")


def export(path: Path, network: nn.Module, card: ModelCard) -> None:
    """Writes a network as ONNX, with normalisation and probabilities, in one file that contains no path of this machine.

    Args:
        path: The file to write.
        network: On the CPU, in `eval` mode.
        card: Normalisation, task and side.
    """
    example = torch.zeros((2, card.side_px, card.side_px, 3), dtype=torch.uint8)
    write_graph(path, _ServedNetwork(network, card), example, ["probabilities"])


def write_graph(path: Path, network: nn.Module, images: Tensor, outputs: Sequence[str]) -> None:
    """Writes a network as ONNX, in one file that contains no path of this machine; the number of images may vary.

    Args:
        path: The file to write.
        network: On the CPU, in `eval` mode.
        images: An example of its input, `images` in the graph.
        outputs: What the graph calls its outputs.
    """
    with warnings.catch_warnings():
        # torch's newer exporter takes ten times as long (4 to 10 s a model) and writes stack traces with paths
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.onnx.*|darkroom\.networks\.export")
        warnings.filterwarnings("ignore", category=UserWarning, message="Constant folding")  # of what is constant anyway
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]  # sizes are fixed on purpose
        with _EXPORTING, _constant_padding(network):
            torch.onnx.export(
                network.eval(), (images,), str(path), dynamo=False, opset_version=OPSET, input_names=["images"], output_names=[*outputs],
                dynamic_axes={name: {0: "num_images"} for name in ("images", *outputs)},
            )  # fmt: skip
    graph = onnx.load(path)
    graph.doc_string = graph.graph.doc_string = ""
    for node in graph.graph.node:
        node.doc_string = ""
        node.ClearField("metadata_props")
    onnx.save(graph, path)
