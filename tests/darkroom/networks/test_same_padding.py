"""Padding that is fixed for one side: the same numbers, and no arithmetic of sizes in the graph."""

import warnings
from pathlib import Path

import onnx
import pytest
import timm
import torch
from timm.layers import Conv2dSame
from torch import nn

from darkroom.networks.same_padding import with_constant_padding


def graph_of(network: nn.Module, images: torch.Tensor, path: Path) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (images,), str(path), dynamo=False, opset_version=18, input_names=["x"], dynamic_axes={"x": {0: "n"}})
    return onnx.load(path)


@pytest.mark.parametrize("side", [64, 75])
def test_it_computes_the_same(side: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, images = timm.create_model("tf_efficientnet_lite0", num_classes=7).eval(), torch.rand(2, 3, side, side)
    fixed = with_constant_padding(network, side)
    with torch.inference_mode():
        assert torch.equal(fixed(images), network(images))
    assert list(fixed.state_dict()) == list(network.state_dict())


def test_its_graph_asks_for_no_shape(tmp_path: Path) -> None:
    network, images = Conv2dSame(3, 4, 3, stride=2), torch.rand(2, 3, 75, 75)
    graphs = [graph_of(one, images, tmp_path / "g.onnx").graph for one in (network, with_constant_padding(network, 75))]
    assert ["Shape" in {node.op_type for node in graph.node} for graph in graphs] == [True, False]


def test_other_networks_are_copied_as_they_are() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten())
    copied = with_constant_padding(network, 8)
    assert copied is not network
    assert [type(module) for module in copied.modules()] == [type(module) for module in network.modules()]
