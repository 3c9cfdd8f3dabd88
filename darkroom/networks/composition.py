"""A backbone and a classical model on its vectors as one model: a single ONNX graph from images to probabilities."""

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import compose
from safetensors.torch import save_file

from darkroom.model import CARD, GRAPH, WEIGHTS, ModelCard
from darkroom.networks.embedder import export_embedder
from darkroom.networks.pretrained import Backbone
from darkroom.system.files import whole


def save_composed(folder: Path, backbone: Backbone, head: onnx.ModelProto, card: ModelCard) -> None:
    """Writes a model's folder, whole or not at all; equal parts make equal bytes.

    Args:
        folder: The model's folder; `weights.safetensors` holds the backbone's weights, the rest of the model is in the graph.
        backbone: Makes vectors of images.
        head: From `vectors`, `(N, D) float32`, to `probabilities`, `(N, K) float32`.
        card: What the model is.
    """
    with whole(folder) as draft:
        draft.mkdir()
        card.write(draft / CARD)
        state = backbone.network.state_dict()
        save_file({name: value.detach().clone().contiguous() for name, value in state.items()}, draft / WEIGHTS)
        onnx.save(composed_graph(backbone, head), draft / GRAPH)


def composed_graph(backbone: Backbone, head: onnx.ModelProto) -> onnx.ModelProto:
    """One graph from `images`, `(N, S, S, 3) uint8`, to `probabilities`, `(N, K) float32`."""
    with TemporaryDirectory() as place:
        export_embedder(Path(place) / GRAPH, backbone)
        trunk = onnx.load(Path(place) / GRAPH)
    trunk.ir_version = head.ir_version = max(trunk.ir_version, head.ir_version)
    for one, prefix in ((trunk, "backbone/"), (head, "head/")):
        compose.add_prefix(one, prefix, rename_inputs=False, rename_outputs=False, inplace=True)
    del trunk.graph.value_info[:]
    domains = {one.domain: one.version for one in (*trunk.opset_import, *head.opset_import)}
    trunk.graph.node.extend(head.graph.node)
    trunk.graph.initializer.extend(head.graph.initializer)
    del trunk.graph.output[:]
    trunk.graph.output.extend(head.graph.output)
    del trunk.opset_import[:]
    trunk.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in sorted(domains.items()))
    return trunk
