"""Channels go until the target is met, never all of a layer, and the stored shapes lead back to the same network."""

from functools import partial
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import VisionTransformer

from components.prune.channels import MAX_SHARE, automatic_round_to, shrink
from components.prune.sensitivity import LayerInputs, measure_inputs
from darkroom.networks.cost import count_macs, count_parameters
from darkroom.networks.export import fit_shapes
from darkroom.networks.network import build
from darkroom.training.examples import Examples


class Tiny(nn.Module):
    """Two convolutions and a last layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.head = nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps `(N, 3, S, S)` to `(N, 4)`."""
        out: torch.Tensor = self.head(self.second(self.first(x).relu()).relu().mean((2, 3)))
        return out


def shrunk(network: nn.Module, side_px: int = 8, target: float = 0.5, round_to: int = 1, **options: Any) -> nn.Module:
    shrink(
        network, side_px, target_macs_ratio=target, round_to=round_to, name="tiny", **({"importance": "l2", "ranking": "local"} | options)
    )
    return network


def test_multiply_adds_equal_the_closed_form() -> None:
    assert count_macs(Tiny(8), 8) == 64 * 3 * 8 * 9 + 16 * 8 * 8 * 9 + 8 * 4
    assert count_parameters(Tiny(8)) == (27 + 1) * 8 + (72 + 1) * 8 + (8 + 1) * 4


def test_attention_is_counted() -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.flatten(2).mean(1).view(1, 4, 16)
            return self.attention(tokens, tokens, tokens, need_weights=False)[0]

    assert count_macs(Attends().eval(), 8) == 4 * (4 * 16 * 16) + 2 * (4 * 4 * 16)


@pytest.mark.parametrize("target", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("ranking", ["local", "global"])
def test_what_remains_is_close_below_the_target(target: float, ranking: str) -> None:
    torch.manual_seed(0)
    network = Tiny(64).eval()
    full = count_macs(network, 8)
    assert target - 0.05 < count_macs(shrunk(network, target=target, ranking=ranking), 8) / full <= target


def test_the_weakest_channels_go() -> None:
    torch.manual_seed(0)
    network = Tiny(8).eval()
    with torch.no_grad():
        for weights in (network.first.weight, network.first.bias):
            weights[[1, 4, 6]] *= 1e-3
        network.second.weight[:, [1, 4, 6]] *= 1e-3
    strong = network.first.weight[[0, 2, 3, 5, 7]].clone()
    shrunk(network, target=0.45)
    kept = network.first.weight
    assert all(any(torch.equal(row, other) for other in strong) for row in kept)
    assert network.head.weight.shape[0] == 4


def test_no_layer_loses_all_its_channels_however_small_the_target() -> None:
    torch.manual_seed(0)
    network = shrunk(Tiny(6).eval(), target=0.001)
    assert network.first.out_channels >= 1
    assert network.second.out_channels >= round((1 - MAX_SHARE) * 6)
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 4)


def test_remaining_channels_are_round_and_narrow_networks_stay_whole() -> None:
    torch.manual_seed(0)
    network = shrunk(Tiny(64).eval(), round_to=8)
    assert network.first.out_channels % 8 == network.second.out_channels % 8 == 0
    narrow = shrunk(Tiny(6).eval(), round_to=8)
    assert narrow.first.out_channels == 6


@pytest.mark.parametrize(("width", "expected"), [(8, 1), (16, 4), (32, 8), (100, 8)])
def test_narrow_networks_round_to_less(width: int, expected: int) -> None:
    assert automatic_round_to(Tiny(width)) == expected


def test_equal_weights_lose_equal_channels() -> None:
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(shrunk(Tiny(32).eval()).state_dict())
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])


def small_transformer() -> nn.Module:
    network = VisionTransformer(32, 16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=128, num_classes=5)
    torch.nn.init.normal_(network.heads.head.weight)  # torchvision's zeros make every channel worth nothing
    return network


def small_transformer_of_timm() -> nn.Module:
    return timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=32, num_heads=2, num_classes=5)


def read_by(network: nn.Module, side_px: int) -> dict[nn.Module, LayerInputs]:
    pixels = torch.randint(0, 256, (4, side_px, side_px, 3), dtype=torch.uint8)
    return measure_inputs(network, Examples(pixels, torch.arange(4)), F.cross_entropy, lambda images: images, num_images=4)


MADE = {
    "small_cnn": (partial(build, "small_cnn", 5, side_px=16), 16),
    "mobilenet_v3_small": (partial(build, "mobilenet_v3_small", 5, side_px=16), 16),
    "lite0": (partial(build, "lite0", 5, side_px=32), 32),
    "transformer": (small_transformer, 32),
    "transformer_of_timm": (small_transformer_of_timm, 32),
    "convnext_atto": (partial(build, "convnext_atto", 5, side_px=32), 32),
    "mobilenetv4": (partial(build, "mobilenetv4_conv_small", 5, side_px=32), 32),
    "resnet18": (partial(build, "timm/resnet18", 5, side_px=32), 32),
}
QUICK = [("l2", name) for name in list(MADE)[:5]] + [("fisher", "small_cnn"), ("fisher", "transformer_of_timm")]
SLOW = [(importance, name) for importance in ("l2", "fisher") for name in MADE if (importance, name) not in QUICK]


@pytest.mark.parametrize(("importance", "name"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)])
def test_known_architectures_shrink_and_come_back_from_their_weights(importance: str, name: str) -> None:
    torch.manual_seed(0)
    make, side_px = MADE[name]
    network = make().eval()
    full = count_macs(network, side_px)
    read, ranking = (read_by(network, side_px), "global") if importance == "fisher" else (None, "local")
    shrunk(network, side_px, target=0.8, round_to=automatic_round_to(network), ranking=ranking, importance=importance, inputs=read)
    assert 0.65 < count_macs(network, side_px) / full <= 0.8
    again = make().eval()
    fit_shapes(again, network.state_dict())
    again.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, side_px, side_px)
    with torch.no_grad():
        torch.testing.assert_close(again(images), network(images))
