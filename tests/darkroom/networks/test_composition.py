"""A backbone and a model on its vectors in one bundle: it answers as its parts do, and needs nothing but itself."""

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file

from components.train.on_vectors import probe_of
from darkroom.model import GRAPH, WEIGHTS, ModelCard, Predictor
from darkroom.networks.backbones import backbone_of
from darkroom.networks.composition import save_composed
from darkroom.networks.embedder import Place, embedder
from darkroom.networks.export import load_network, save_model
from darkroom.networks.families import CLASSICAL, ON_VECTORS, PROBE, composed, is_classical, parts_of
from darkroom.system.errors import InputError
from darkroom.training.classical import Family, HeadSettings, Vectors, fit_head
from darkroom.training.heads import FittedHead
from darkroom.training.validation import Validated

BACKBONES = ["handcrafted", pytest.param("lite0", marks=pytest.mark.slow)]


def pictures(side_px: int, number: int = 16) -> np.ndarray:
    """Dark and bright noise in turns."""
    random = np.random.default_rng(0)
    return (random.integers(0, 128, (number, side_px, side_px, 3)) + 127 * (np.arange(number) % 2)[:, None, None, None]).astype(np.uint8)


@cache
def seen(name: str):
    """A backbone, pictures, and their vectors."""
    backbone = backbone_of(name)
    images = pictures(backbone.recipe.side_px)
    return backbone, images, embedder(backbone, Place("cpu", "float32"))(images)[0].astype(np.float16).astype(np.float32)


def parts(name: str, family: Family):
    """What is seen, and a model fitted on the vectors."""
    backbone, images, vectors = seen(name)
    head = fit_head(family, Vectors(vectors, np.arange(16) % 2, np.ones((16, 2), np.float32)), "binary", 2, HeadSettings(num_trees=3))
    card = ModelCard(
        composed(family, backbone.name), ("dark", "bright"), "binary", backbone.recipe.side_px, backbone.mean, backbone.std, (0.5,),
        resampling=backbone.recipe.resampling, center_crop=backbone.recipe.center_crop,
    )  # fmt: skip
    return backbone, images, vectors, head, card


@pytest.mark.usefixtures("exported_once")
@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("family", CLASSICAL)
def test_a_bundle_answers_on_pixels_as_the_model_does_on_vectors(tmp_path: Path, name: str, family: Family) -> None:
    backbone, images, vectors, head, card = parts(name, family)
    save_composed(tmp_path / "model", backbone, head.graph, card)
    found = Predictor(tmp_path / "model").probabilities(images)
    np.testing.assert_allclose(found, head.probabilities(vectors), atol=1e-4)
    assert (found.argmax(1) == np.arange(16) % 2).mean() > 0.8
    onnx.checker.check_model(onnx.load(tmp_path / "model" / GRAPH))
    assert load_file(tmp_path / "model" / WEIGHTS).keys() == backbone.network.state_dict().keys()
    with pytest.raises(InputError, match=rf"{family}.* no network"):
        load_network(tmp_path / "model")


def test_equal_parts_make_equal_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        backbone, _, _, head, card = parts("handcrafted", "random_forest")
        save_composed(tmp_path / folder, backbone, head.graph, card)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()
    }


@pytest.mark.parametrize("name", BACKBONES)
def test_a_probe_is_a_network_that_answers_as_its_logistic_regression(tmp_path: Path, name: str) -> None:
    backbone, images, vectors, head, card = parts(name, "logistic_regression")
    card = dataclasses.replace(card, architecture=composed(PROBE, backbone.name))
    save_model(tmp_path / "probe", probe_of(backbone, FittedHead(head, (0.5,), Validated({})), 2), card)
    found = Predictor(tmp_path / "probe").probabilities(images)
    np.testing.assert_allclose(found, head.probabilities(vectors), atol=1e-3)  # these vectors are rounded to float16
    network, read = load_network(tmp_path / "probe")
    assert read == card
    batch = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (card.mean, card.std))
    with torch.no_grad():
        np.testing.assert_allclose(found, network((batch - mean) / std).softmax(1).numpy(), atol=1e-4)


def test_architectures_name_family_and_backbone() -> None:
    for family in ON_VECTORS:
        architecture = composed(family, "tf_efficientnet_lite0")
        assert parts_of(architecture) == (family, "tf_efficientnet_lite0")
        assert is_classical(architecture) == (family != PROBE)
    for other in ("resnet18", "small_cnn", "probe", "k_nearest", "linear(x)"):
        assert parts_of(other) is None
        assert not is_classical(other)
