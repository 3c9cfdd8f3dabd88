"""The torch side of a model's folder."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from darkroom.model import ModelCard, Predictor
from darkroom.networks import export, network
from darkroom.system.errors import InputError

CARD = ModelCard("small_cnn", ("a", "b", "c"), "multiclass", 16, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))


def build(architecture="small_cnn", side_px=16, seed=0):
    torch.manual_seed(seed)
    return settled(network.build(architecture, 3, side_px=side_px), side_px)


def settled(made, side_px):
    """A network whose normalisation has seen something, so that nothing is trivially 0 or 1."""
    made.train()
    with torch.no_grad():
        made(torch.randn(4, 3, side_px, side_px))
    return made.eval()


def answers(made, batch, card):
    normal = (torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - torch.tensor(card.mean).view(3, 1, 1)) / torch.tensor(card.std).view(
        3, 1, 1
    )
    with torch.no_grad():
        logits = made(normal)
    return (logits.sigmoid() if card.task == "multilabel" else logits.softmax(dim=1)).numpy()


def pictures(side_px, number=5):
    return np.random.default_rng(0).integers(0, 256, (number, side_px, side_px, 3)).astype(np.uint8)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_graph_and_reloaded_network_answer_as_the_network_does(tmp_path, task):
    made = build()
    card = dataclasses.replace(CARD, task=task, thresholds=(0.5,) * 3 if task == "multilabel" else ())
    export.save_model(tmp_path / "model", made, card)
    loaded, read = export.load_network(tmp_path / "model")
    expected = answers(made, pictures(16), card)
    assert read == card and not loaded.training
    np.testing.assert_array_equal(answers(loaded, pictures(16), card), expected)
    np.testing.assert_allclose(Predictor(tmp_path / "model").probabilities(pictures(16)), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "side_px"),
    [
        ("resnet18", 32), ("mobilenet_v3_small", 32), ("efficientnet_b0", 32), ("vit_b_32", 32), ("squeezenet1_1", 32), ("googlenet", 48),
        ("timm/resnet18", 32), ("vit_tiny_patch16_224", 48), ("convnext_atto", 32), ("mobilenetv4_conv_small", 32),
    ],
)  # fmt: skip
def test_networks_get_another_head_and_an_equal_graph(tmp_path, architecture, side_px):
    made = build(architecture, side_px)
    card = dataclasses.replace(CARD, architecture=architecture, side_px=side_px)
    export.save_model(tmp_path / "model", made, card)
    expected = answers(made, pictures(side_px), card)
    assert expected.shape == (5, 3)
    loaded = export.load_network(tmp_path / "model")[0]
    np.testing.assert_allclose(answers(loaded, pictures(side_px), card), expected, atol=1e-6)
    np.testing.assert_allclose(Predictor(tmp_path / "model").probabilities(pictures(side_px)), expected, atol=1e-5)


def test_a_network_of_timm_comes_back_with_a_graph_of_constant_padding(tmp_path):
    made = build("lite0", 32)
    card = dataclasses.replace(CARD, architecture="tf_efficientnet_lite0", side_px=32)
    export.save_model(tmp_path / "model", made, card)
    expected = answers(made, pictures(32), card)
    np.testing.assert_array_equal(answers(export.load_network(tmp_path / "model")[0], pictures(32), card), expected)
    np.testing.assert_allclose(Predictor(tmp_path / "model").probabilities(pictures(32)), expected, atol=1e-5)
    assert not {"Shape", "Ceil"} & {node.op_type for node in onnx.load(tmp_path / "model" / "model.onnx").graph.node}


def test_equal_weights_make_equal_bytes_from_any_folder_and_layout(tmp_path, monkeypatch):
    made = build()
    export.save_model(tmp_path / "a", made, CARD)
    monkeypatch.chdir(tmp_path)
    export.save_model(Path("deep/er/b"), build().to(memory_format=torch.channels_last), CARD)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "deep" / "er" / "b")
    export.save_model(tmp_path / "c", build(seed=1), CARD)
    assert bytes_of(tmp_path / "a")["model.onnx"] != bytes_of(tmp_path / "c")["model.onnx"]


def test_saving_leaves_the_network_as_it_is(tmp_path):
    made = build().train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    export.save_model(tmp_path / "model", made, CARD)
    assert made.training
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def narrowed():
    """A network that lost channels: half of the first block's inner ones."""
    made = build()
    block = made.stages[0]
    for layer in (block.conv1, block.norm1):
        for name, value in [*layer.named_parameters(), *layer.named_buffers()]:
            if value.ndim:
                kept = value.detach()[::2].clone()
                setattr(layer, name, nn.Parameter(kept) if isinstance(value, nn.Parameter) else kept)
    block.conv2.weight = nn.Parameter(block.conv2.weight.detach()[:, ::2].clone())
    return made


def test_a_pruned_network_comes_back_with_its_channels(tmp_path):
    made = narrowed()
    export.save_model(tmp_path / "model", made, CARD)
    loaded = export.load_network(tmp_path / "model")[0]
    block = loaded.stages[0]
    assert (block.conv1.out_channels, block.norm1.num_features, block.conv2.in_channels) == (16, 16, 16)
    np.testing.assert_array_equal(answers(loaded, pictures(16), CARD), answers(made, pictures(16), CARD))


def test_depthwise_groups_follow_the_channels():
    layers = nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1), nn.LayerNorm(4), nn.Linear(4, 2))
    state = {
        "0.weight": torch.zeros(6, 1, 3, 3), "0.bias": torch.zeros(6), "1.weight": torch.zeros(3, 6, 1, 1), "1.bias": torch.zeros(3),
        "2.weight": torch.zeros(3), "2.bias": torch.zeros(3), "3.weight": torch.zeros(2, 3), "3.bias": torch.zeros(2),
    }  # fmt: skip
    export.fit_shapes(layers, state)
    layers.load_state_dict(state)
    assert (layers[0].groups, layers[0].in_channels, layers[0].out_channels) == (6, 6, 6)
    assert (layers[1].in_channels, layers[2].normalized_shape, layers[3].in_features) == (6, (3,), 3)
    assert layers[1](layers[0](torch.zeros(1, 6, 5, 5))).shape == (1, 3, 3, 3)


@pytest.mark.parametrize("side_px", [8, 16, 32, 48, 64, 96, 97])
def test_the_small_network_takes_any_side(side_px):
    assert network.build("small_cnn", 7, side_px=side_px)(torch.zeros(2, 3, side_px, side_px)).shape == (2, 7)


def test_the_last_layer_makes_the_logits():
    name, layer = network.last_layer(build())
    assert layer.out_features == 3 and build().get_submodule(name).weight.shape == layer.weight.shape


def test_an_architecture_that_is_not_known_is_told():
    with pytest.raises(InputError, match=r"train\.model is 'resnet19', .*did you mean resnet18 or"):
        network.build("resnet19", 3, side_px=32)


def test_a_side_that_a_transformer_cant_take_is_told():
    with pytest.raises(InputError, match=r"train\.side_px is 50: vit_b_16 can't be made for it"):
        network.build("vit_b_16", 3, side_px=50)
