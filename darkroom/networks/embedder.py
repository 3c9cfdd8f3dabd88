"""A backbone at work: batches of images in, vectors of unit length out, on the CPU or a GPU.

On the CPU in float32 onnxruntime computes, from the graph that an exported model has: it is faster there than torch (lite0 at
224 px by a third), and the vectors are those that a bundle computes. Otherwise torch does.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from darkroom.networks.bfloat16 import has_bfloat16
from darkroom.networks.export import write_graph
from darkroom.networks.pretrained import Backbone
from darkroom.networks.same_padding import with_constant_padding
from darkroom.system.errors import InputError

Precision = Literal["float32", "bf16"]
Vectors = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
OUTPUTS = ("vectors", "norms")  # of the graph


class Embedder(nn.Module):
    """A backbone with what surrounds it: from images `(N, S, S, 3) uint8` to vectors `(N, D)` of unit length and norms `(N,)`."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.network = with_constant_padding(backbone.network, backbone.recipe.side_px)
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalises, runs the backbone, and scales its features to unit length; zeros stay zeros."""
        batch = images.permute(0, 3, 1, 2).to(torch.float32) / 255.0
        features = self.network((batch - cast(Tensor, self.mean)) / cast(Tensor, self.std)).to(torch.float32)
        norms = torch.sqrt((features * features).sum(dim=1, keepdim=True))
        return features / norms.clamp(min=1e-12), norms[:, 0]


@dataclass(frozen=True)
class Place:
    """Where and in what precision vectors are computed; vectors of two places differ.

    Attributes:
        device: `cpu` or `cuda`.
        precision: `float32` or `bf16`.
    """

    device: str
    precision: Precision


def choose_place(device: Literal["auto", "cpu", "cuda"], precision: Precision) -> Place:
    """The GPU where there is one and it is wanted, else the CPU.

    Raises:
        InputError: A GPU is asked for by name where there is none, or bfloat16 where the processor or GPU has no instructions for it.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise InputError("embed.device is 'cuda', but torch sees no GPU here: set it to auto or cpu")
    kind = "cuda" if has_gpu and device != "cpu" else "cpu"
    if precision == "bf16" and not has_bfloat16(kind):
        what = "GPU" if kind == "cuda" else "processor"
        raise InputError(f"embed.precision is 'bf16', but this {what} has no instructions for bfloat16: set it to float32")
    return Place(kind, precision)


def embedder(backbone: Backbone, place: Place) -> Callable[[npt.NDArray[np.uint8]], Vectors]:
    """Prepares a backbone; what is returned may be called by several threads at once, each call computes on its own thread.

    Args:
        backbone: The network.
        place: Where it computes.

    Returns:
        A function from images `(N, S, S, 3) uint8` to vectors `(N, D) float32` and norms `(N,) float32`.
    """
    network = Embedder(backbone).eval()
    if place == Place("cpu", "float32"):
        return _with_onnxruntime(network, backbone.recipe.side_px)
    return _with_torch(network, place)


def export_embedder(path: Path, backbone: Backbone) -> None:
    """Writes a backbone as ONNX: from `images`, `(N, S, S, 3) uint8`, to `vectors`, `(N, D) float32` of unit length, and `norms`."""
    _export(path, Embedder(backbone).eval(), backbone.recipe.side_px)


def _export(path: Path, network: nn.Module, side_px: int) -> None:
    write_graph(path, network, torch.zeros((2, side_px, side_px, 3), dtype=torch.uint8), OUTPUTS)


def _with_onnxruntime(network: Embedder, side_px: int) -> Callable[[npt.NDArray[np.uint8]], Vectors]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the threads that call it are as many as there are cores
    options.log_severity_level = 3
    with TemporaryDirectory() as folder:
        _export(Path(folder) / "graph.onnx", network, side_px)
        session = onnxruntime.InferenceSession(str(Path(folder) / "graph.onnx"), options, providers=["CPUExecutionProvider"])

    def compute(images: npt.NDArray[np.uint8]) -> Vectors:
        vectors, norms = session.run(list(OUTPUTS), {"images": images})
        return vectors, norms

    return compute


def _with_torch(network: Embedder, place: Place) -> Callable[[npt.NDArray[np.uint8]], Vectors]:
    network = network.to(place.device).to(memory_format=torch.channels_last)
    alone = threading.Lock()  # the GPU is shared by the threads that decode, and so is its memory

    def compute(images: npt.NDArray[np.uint8]) -> Vectors:
        with torch.inference_mode(), torch.autocast(place.device, torch.bfloat16, enabled=place.precision == "bf16"):
            vectors, norms = network(torch.from_numpy(images).to(place.device))
            return vectors.float().cpu().numpy(), norms.float().cpu().numpy()

    def compute_alone(images: npt.NDArray[np.uint8]) -> Vectors:
        with alone, torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):  # float32 is what it says
            return compute(images)

    return compute if place.device == "cpu" else compute_alone
