"""The small network behind the first stages of lite0."""

import numpy as np
import onnxruntime
import pytest
import torch

from darkroom.model import GRAPH, ModelCard
from darkroom.networks import export, weights
from darkroom.networks.architectures import LOCAL, canonical
from darkroom.networks.local_network import FRESH, FROZEN_SHARE, WIDTH, LocalNetwork
from darkroom.networks.pretrained import MEAN, STD, packaged_backbone
from darkroom.networks.weights import is_pretrained, normalisation
from darkroom.training.frozen_trunk import find_trunk
from darkroom.training.layers import depths, learn_from

SIDE = 64


@pytest.fixture
def network() -> LocalNetwork:
    torch.manual_seed(0)
    made = export.build(LOCAL, 3, side_px=SIDE)
    assert isinstance(made, LocalNetwork) and weights.load(made, LOCAL, "auto")
    return made.eval()


def test_its_first_stages_are_those_of_lite0(network: LocalNetwork) -> None:
    whole, images = packaged_backbone("tf_efficientnet_lite0").network, torch.randn(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        expected = whole.blocks[:3](whole.bn1(whole.conv_stem(images)))
        found = network.blocks(network.bn1(network.conv_stem(images)))
    torch.testing.assert_close(found, expected)
    assert found.shape == (2, 40, SIDE // 8, SIDE // 8) and network(images).shape == (2, 3)
    assert canonical(LOCAL) == LOCAL and is_pretrained(LOCAL, "auto") and not is_pretrained(LOCAL, "")
    assert normalisation(LOCAL, "auto") == (MEAN, STD)


def test_what_lies_behind_them_alone_learns_and_the_rest_is_computed_once(network: LocalNetwork) -> None:
    learn_from(network, FROZEN_SHARE, freeze_batch_norm=False)
    learning = {name for name, value in network.named_parameters() if value.requires_grad}
    assert learning == {name for name, _ in network.named_parameters() if name.startswith((FRESH, "head."))}
    assert max(depth for name, depth in depths(network).items() if not name.startswith((FRESH, "head."))) < FROZEN_SHARE
    trunk, images = find_trunk(network, SIDE, FROZEN_SHARE), torch.randn(2, 3, SIDE, SIDE)
    assert trunk is not None and trunk(images).shape == (2, 40, SIDE // 8, SIDE // 8)


def test_a_thing_counts_the_same_wherever_it_is(network: LocalNetwork) -> None:
    images = torch.zeros(2, 3, 2 * SIDE, 2 * SIDE)
    images[0, :, 40:48, 40:48], images[1, :, 64:72, 80:88] = 1.0, 1.0
    here, there = (network(images) - network(torch.zeros(1, 3, 2 * SIDE, 2 * SIDE))).detach()
    assert float(here.abs().max()) > 1e-2
    torch.testing.assert_close(here, there, rtol=0.05, atol=1e-3)


def test_its_graph_answers_as_it_does_and_its_folder_is_read_back(tmp_path, network: LocalNetwork) -> None:
    card = ModelCard(LOCAL, ("a", "b", "c"), "multilabel", SIDE, MEAN, STD, (0.5,) * 3)
    export.save_model(tmp_path / "model", network, card)
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    found = onnxruntime.InferenceSession(tmp_path / "model" / GRAPH).run(None, {"images": images})[0]
    batch = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    read, _ = export.load_network(tmp_path / "model")
    for one in (network, read):
        np.testing.assert_allclose(found, one(batch).sigmoid().detach().numpy(), atol=1e-4)


def test_weights_of_its_own_are_taken_whole(tmp_path, network: LocalNetwork, capsys) -> None:
    card = ModelCard(LOCAL, ("a", "b", "c"), "multilabel", SIDE, MEAN, STD, (0.5,) * 3)
    export.save_model(tmp_path / "model", network, card)
    other = export.build(LOCAL, 3, side_px=SIDE)
    assert not weights.load(other, LOCAL, str(tmp_path / "model" / "weights.safetensors"))
    assert torch.equal(other.state_dict()["local.0.weight"], network.state_dict()["local.0.weight"])
    assert other.local[0].weight.shape[0] == WIDTH and "0 of the last layer dropped" in capsys.readouterr().out
