"""Multiply-adds of an exported graph, against those that torch counts."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from darkroom.model import GRAPH, ModelCard
from darkroom.networks.cost import count_macs
from darkroom.networks.export import save_model
from darkroom.networks.graph_cost import graph_macs
from darkroom.networks.network import build


@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18", "vit_tiny_patch16_224"])
def test_a_network_s_graph_costs_what_the_network_does(architecture: str, tmp_path: Path) -> None:
    network = build(architecture, 3, side_px=32).eval()
    save_model(tmp_path / "model", network, ModelCard(architecture, ("a", "b", "c"), "multiclass", 32, (0.5,) * 3, (0.5,) * 3))
    assert graph_macs(tmp_path / "model" / GRAPH) == pytest.approx(count_macs(network, 32), rel=0.01)


def test_products_and_classifiers_are_counted_for_one_image(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.zeros((12, 5), np.float32), "weight")
    nodes = [
        helper.make_node("MatMul", ["images", "weight"], ["vectors"]),
        helper.make_node("LinearClassifier", ["vectors"], ["label", "probabilities"], domain="ai.onnx.ml", coefficients=[0.0] * 10,
                         intercepts=[0.0] * 2, classlabels_ints=[0, 1]),
    ]  # fmt: skip
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 12])
    answers = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "graph", [images], [answers], [weight])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=imports), tmp_path / "graph.onnx")
    assert graph_macs(tmp_path / "graph.onnx") == 12 * 5 + 10
