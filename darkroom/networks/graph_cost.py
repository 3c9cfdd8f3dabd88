"""What an exported graph costs: multiply-adds of its convolutions, matrix products and linear classifiers, for one image."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
from onnx import GraphProto, NodeProto, helper, shape_inference

Shapes = Mapping[str, Sequence[int]]


def graph_macs(path: Path) -> int:
    """Multiply-adds that one image takes in a model's graph; those of trees and of kernels on vectors do not count.

    Args:
        path: The ONNX file.
    """
    model = onnx.load(path)
    for place in model.graph.input:
        place.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = _shapes(graph)
    return sum(_node_macs(node, shapes) for node in graph.node)


def _shapes(graph: GraphProto) -> Shapes:
    found = {
        place.name: [dim.dim_value or 1 for dim in place.type.tensor_type.shape.dim]
        for place in (*graph.input, *graph.value_info, *graph.output)
    }
    return found | {tensor.name: list(tensor.dims) for tensor in graph.initializer}


def _node_macs(node: NodeProto, shapes: Shapes) -> int:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "LinearClassifier":
        return len(attributes["coefficients"])
    if node.op_type not in ("Conv", "Gemm", "MatMul") or not all(name in shapes for name in (*node.input[:2], node.output[0])):
        return 0
    one, other, out = (shapes[name] for name in (*node.input[:2], node.output[0]))
    if node.op_type == "Conv":
        return math.prod(out) * math.prod(other[1:])
    return math.prod(out) * (one[0] if attributes.get("transA") else one[-1])
