"""A backbone at work: onnxruntime and torch compute the same, on several threads, and the graph can be exported."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from darkroom.networks.embedder import Embedder, Place, choose_place, embedder, export_embedder
from darkroom.networks.pretrained import Backbone
from darkroom.preprocessing.recipe import Recipe
from darkroom.training.devices import threads


@pytest.fixture
def backbone() -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    return Backbone("toy", network, 8, Recipe(16), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "0" * 64)


IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)


def expected(backbone: Backbone) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (backbone.mean, backbone.std))
    with torch.inference_mode():
        features = backbone.network((torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255 - mean) / std)
    return nn.functional.normalize(features), features.norm(dim=1)


@pytest.mark.parametrize("place", [Place("cpu", "float32"), Place("cpu", "bf16")], ids=str)
def test_vectors_have_unit_length_and_are_the_networks(backbone: Backbone, place: Place) -> None:
    vectors, norms = embedder(backbone, place)(IMAGES)
    assert (vectors.dtype, norms.dtype, vectors.shape, norms.shape) == (np.float32, np.float32, (6, 8), (6,))
    tolerance = 1e-5 if place.precision == "float32" else 2e-2
    np.testing.assert_allclose(vectors, expected(backbone)[0], atol=tolerance)
    np.testing.assert_allclose(norms, expected(backbone)[1], rtol=tolerance)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_exported_graph_gives_the_same_for_any_number_of_images(backbone: Backbone, tmp_path: Path) -> None:
    export_embedder(tmp_path / "graph.onnx", backbone)
    session = onnxruntime.InferenceSession(str(tmp_path / "graph.onnx"))
    for number in (1, 6):
        vectors, norms = session.run(["vectors", "norms"], {"images": IMAGES[:number]})
        np.testing.assert_allclose(vectors, expected(backbone)[0][:number], atol=1e-5)
        np.testing.assert_allclose(norms, expected(backbone)[1][:number], rtol=1e-5)


def test_zeros_stay_zeros(backbone: Backbone) -> None:
    with torch.no_grad():
        backbone.network[0].bias.fill_(-1e6)  # type: ignore[index, union-attr]
    vectors, norms = embedder(backbone, Place("cpu", "float32"))(IMAGES)
    assert (np.abs(vectors).max(), np.abs(norms).max()) == (0, 0)
    assert torch.isfinite(Embedder(backbone)(torch.from_numpy(IMAGES))[0]).all()


@pytest.mark.parametrize("place", [Place("cpu", "float32"), Place("cpu", "bf16")], ids=str)
def test_several_threads_compute_what_one_does_each_on_its_own(backbone: Backbone, place: Place) -> None:
    compute = embedder(backbone, place)
    with threads(1), ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: compute(IMAGES)[0], range(16)))
        assert set(pool.map(lambda _: torch.get_num_threads(), range(8))) == {1}
    assert all((one == found[0]).all() for one in found)


def test_auto_takes_the_gpu_where_there_is_one() -> None:
    assert choose_place("auto", "float32") == Place("cuda" if torch.cuda.is_available() else "cpu", "float32")
    assert choose_place("cpu", "float32") == Place("cpu", "float32")
