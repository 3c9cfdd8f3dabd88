"""Backbones by name and from the user's own weights: the features are the network's, the recipe its own, and mistakes are told."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from darkroom.embeddings import Origin
from darkroom.model import ModelCard
from darkroom.networks import export
from darkroom.networks.backbones import OWN_WEIGHTS, backbone_of, embedding_backbone, weights_file
from darkroom.networks.network import build
from darkroom.networks.small_cnn import SmallCNN
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the state of torchvision's ResNet-18, in both formats."""
    folder = tmp_path_factory.mktemp("resnet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = models.resnet18(weights=None).state_dict()
    save_file(state, folder / "r.safetensors")
    torch.save(state, folder / "r.pth")
    return folder


@pytest.mark.parametrize("file", ["r.safetensors", "r.pth"])
def test_a_file_gives_the_network_without_its_last_layer(resnet: Path, file: str) -> None:
    backbone = backbone_of("resnet18", str(resnet / file))
    reference = models.resnet18(weights=None)
    reference.load_state_dict(torch.load(resnet / "r.pth", weights_only=True))
    reference.fc = torch.nn.Identity()
    images = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(backbone.network(images), reference.eval()(images))
    assert (backbone.num_features, backbone.recipe) == (512, Recipe(224, "bilinear", 224 / 256))
    assert backbone.mean == (0.485, 0.456, 0.406)
    assert not any(value.requires_grad for value in backbone.network.parameters())


def test_a_file_of_timms_gives_its_recipe_too(tmp_path: Path) -> None:
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reference = timm.create_model("test_vit", pretrained=False, num_classes=7).eval()
    save_file(reference.state_dict(), tmp_path / "v.safetensors")
    backbone = backbone_of("test_vit", str(tmp_path / "v.safetensors"))
    known = reference.default_cfg
    assert backbone.recipe == Recipe(known["input_size"][1], known["interpolation"], known["crop_pct"])
    images = torch.rand(1, *known["input_size"])
    reference.reset_classifier(0)
    with torch.inference_mode():
        torch.testing.assert_close(backbone.network(images), reference(images))
    assert backbone.num_features == reference.num_features


def test_a_models_folder_gives_its_trunk_and_its_recipe(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build("small_cnn", 3, side_px=16).eval()
    card = ModelCard("small_cnn", ("a", "b", "c"), "multiclass", 16, (0.1,) * 3, (0.9,) * 3, resampling="bicubic", center_crop=0.5)
    export.save_model(tmp_path / "model", network, card)
    found = [backbone_of(name, str(tmp_path / "model" / part)) for name, part in (("auto", ""), ("small_cnn", "weights.safetensors"))]
    assert {(one.name, one.recipe, one.mean, one.std) for one in found} == {
        ("small_cnn", Recipe(16, "bicubic", 0.5), (0.1,) * 3, (0.9,) * 3)
    }
    with torch.inference_mode():
        features = found[0].network(torch.rand(2, 3, 16, 16))
    assert features.shape == (2, found[0].num_features)
    assert found[0].weights_sha256 == found[1].weights_sha256
    with pytest.raises(InputError, match=r"embed\.backbone is 'lite0'.*small_cnn"):
        backbone_of("lite0", str(tmp_path / "model"))


@pytest.mark.parametrize(
    ("name", "weights", "named"),
    [
        ("lite9", "", r"embed\.backbone is 'lite9'"),
        ("resnet18", "", r"embed\.weights"),
        ("resnet18", "{}/missing.pth", r"embed\.weights is .*missing\.pth"),
        ("resnet34", "{}/r.pth", r"embed\.weights is .*r\.pth"),
        ("auto", "{}/r.pth", r"embed\.backbone is 'auto'"),
        ("handcrafted", "{}/r.pth", r"embed\.backbone is 'handcrafted'"),
        ("small_cnn", "{}/r.pth", r"embed\.backbone is 'small_cnn'"),
    ],
)
def test_what_does_not_fit_is_told_by_its_setting(resnet: Path, name: str, weights: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        backbone_of(name, weights.format(resnet))


def test_the_trunk_of_an_earlier_versions_small_network_is_read_back_with_its_four_stages(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build("small_cnn", 3, side_px=16).eval()
        assert isinstance(network, SmallCNN)
        network.take_stages(["stages.3.conv1.weight"])
    card = ModelCard("small_cnn", ("a", "b", "c"), "multiclass", 16, (0.1,) * 3, (0.9,) * 3)
    export.save_model(tmp_path / "model", network, card)
    made = backbone_of("auto", str(tmp_path / "model"))
    (tmp_path / OWN_WEIGHTS).write_bytes(weights_file(made))
    origin = Origin(made.name, made.weights_sha256, "features", made.recipe, "float32", "cpu", made.num_features)
    pictures = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        features = embedding_backbone(tmp_path, origin).network(pictures)
        torch.testing.assert_close(features, made.network(pictures), rtol=0, atol=0)
    assert features.shape == (2, 256)
